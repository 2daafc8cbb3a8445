// Adds jobs as ../add.py does.
'use strict';

const readline = require('node:readline');
const { Queue, QueueEvents } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) };
const queue = new Queue('trial', { connection });
const pauseMilliseconds = 5;
let events; // a listener takes part in each job, so only where one waits

const verbs = {
  add: async (jobs) => {
    for (const job of jobs) await queue.add('run', { job });
  },
  bulk: (jobs) => queue.addBulk(jobs.map((job) => ({ name: 'run', data: { job } }))),
  wait: async (job) => {
    events ??= new QueueEvents('trial', { connection });
    await events.waitUntilReady();
    await (await queue.add('run', { job })).waitUntilFinished(events);
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, ...names] = line.split(' ');
    const taken = [];
    for (const each of verb === 'wait' ? names : [names]) {
      const begun = performance.now();
      await verbs[verb](each);
      taken.push((performance.now() - begun) / 1000);
      if (verb === 'wait') await new Promise((resolve) => setTimeout(resolve, pauseMilliseconds));
    }
    console.log(JSON.stringify(taken));
  }
  process.exit();
}

main();
