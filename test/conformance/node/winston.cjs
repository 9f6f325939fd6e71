// Logs with winston through winston-splunk-httplogger. Input and output: see ../hec-clients.test.ts.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const installed = createRequire(join(__dirname, '../.tools/node/package.json'))
const winston = installed('winston')
const Transport = installed('winston-splunk-httplogger')

const { config, entries } = JSON.parse(process.argv[2])
const transport = new Transport({ splunk: config })
transport.on('error', ({ message }) => process.stdout.write(`${JSON.stringify({ error: message })}\n`))
const logger = winston.createLogger({ level: 'silly', transports: [transport] })
for (const entry of entries) logger.log(entry)
logger.end()
