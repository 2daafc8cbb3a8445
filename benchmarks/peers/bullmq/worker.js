// A BullMQ worker in its default settings: `node worker.js sandboxed`, or `inline`.
'use strict';

const path = require('node:path');
const { Worker } = require('bullmq');

const file = path.join(__dirname, 'execution.js');
const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
const worker = new Worker('trial', process.argv[2] === 'inline' ? require(file) : file, { connection });
worker.on('error', (error) => console.error(error));
