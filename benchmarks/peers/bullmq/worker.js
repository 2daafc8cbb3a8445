// A BullMQ worker in its default settings, or another concurrency: `node worker.js sandboxed`, or `inline 100`.
'use strict';

const path = require('node:path');
const { Worker } = require('bullmq');

const file = path.join(__dirname, 'execution.js');
const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
const [kind, concurrency] = process.argv.slice(2);
const options = { connection, concurrency: Number(concurrency ?? 1) };
const worker = new Worker('trial', kind === 'inline' ? require(file) : file, options);
worker.on('error', (error) => console.error(error));
