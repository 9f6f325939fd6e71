// Control calls with @alicloud/sls20201230, which signs V1 with SHA-256, or V4. Input and output: see ../control.test.ts.
const dns = require('node:dns')
const { createRequire } = require('node:module')
const { join } = require('node:path')

// Not every system resolves `<project>.localhost`, and the SDK has no working proxy or lookup option.
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
    // The last value is the request, for calls that have one.
    if (model) values.push(new models[model](values.pop()))
    const answer = await client[call](project, ...values).then(
      ({ statusCode, body }) => ({ statusCode, body }),
      ({ code, statusCode, message }) => ({ code, statusCode, message }),
    )
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}

void main()
