// Sends events with splunk-logging and prints the answers. Input and output: see ../hec-clients.test.ts.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const installed = createRequire(join(__dirname, '../.tools/node/package.json'))
const { Logger } = installed('splunk-logging')

const { config, events } = JSON.parse(process.argv[2])
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const answered = (_, response, body) => print({ status: response?.statusCode, body })

const logger = new Logger(config)
logger.error = ({ message, code }) => print({ error: message, code })
for (const event of events) logger.send(event, answered)
if (logger.serializedContextQueue.length > 0) logger.flush(answered)
