// Adds jobs as ../add.py does.
'use strict';

const readline = require('node:readline');
const { Queue } = require('bullmq');

const queue = new Queue('trial', { connection: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) } });

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const begun = performance.now();
    for (const job of line.split(' ')) await queue.add('run', { job });
    console.log((performance.now() - begun) / 1000);
  }
  await queue.close();
}

main();
