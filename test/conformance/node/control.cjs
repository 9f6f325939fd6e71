// Control calls with @alicloud/sls20201230, which signs V1 with SHA-256, or V4. See ../control.test.ts for what goes in and out.
const dns = require('node:dns')
const { createRequire } = require('node:module')
const { join } = require('node:path')

// `<project>.localhost` has no address everywhere, and the SDK has neither a proxy nor a lookup option that works.
dns.lookup = (_name, options, found = options) =>
  options?.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4)

const installed = createRequire(join(__dirname, '../.tools/node/package.json'))
const { default: Client, ...models } = installed('@alicloud/sls20201230')
const { $OpenApiUtil } = installed('@alicloud/openapi-core')

async function main() {
  const { project, port, accessKeyId, accessKeySecret, signature, calls } = JSON.parse(process.argv[2])
  const client = new Client(
    new $OpenApiUtil.Config({
      ...{ accessKeyId, accessKeySecret, endpoint: `localhost:${port}`, protocol: 'http', regionId: 'cn-local' },
      signatureVersion: signature,
    }),
  )
  for (const [call, model, ...values] of calls) {
    // The last value is the request, where the call takes one.
    if (model) values.push(new models[model](values.pop()))
    const answer = await client[call](project, ...values).then(
      ({ statusCode, body }) => ({ statusCode, body }),
      ({ code, statusCode, message }) => ({ code, statusCode, message }),
    )
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}

void main()
