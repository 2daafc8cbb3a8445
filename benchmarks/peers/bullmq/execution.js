// What every job does, as in ../execution.py; BullMQ's sandbox runs it in a process of its own.
'use strict';

const fs = require('node:fs');

const last = Number(process.env.LAST ?? 0);
let started = 0;

function note(job, what) {
  fs.appendFileSync(process.env.EXECUTIONS, `${job} ${what} ${process.pid} ${(Date.now() / 1000).toFixed(6)}\n`);
}

module.exports = async ({ data: { job } }) => {
  if (last) {
    started += 1;
    if (started === 1 || started === last) note(job, 'start');
    return;
  }
  note(job, 'start');
  await new Promise((resolve) => setTimeout(resolve, Number(process.env.JOB_SECONDS) * 1000));
  note(job, 'end');
};
