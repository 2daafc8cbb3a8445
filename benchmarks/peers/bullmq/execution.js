// What every job does, as in ../execution.py; BullMQ's sandbox runs it in a process of its own.
'use strict';

const fs = require('node:fs');

const milliseconds = Number(process.env.JOB_SECONDS ?? 0) * 1000;

function note(job, what) {
  fs.appendFileSync(process.env.EXECUTIONS, `${job} ${what} ${process.pid} ${(Date.now() / 1000).toFixed(6)}\n`);
}

module.exports = async ({ data: { job } }) => {
  if (!milliseconds) {
    if (job === 'first' || job === 'last') note(job, 'start');
    return;
  }
  note(job, 'start');
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  note(job, 'end');
};
