import { jsonSchema } from '../config/file/json-schema.ts'
import { command, EXIT } from './command.ts'

const HELP = `Print the JSON Schema of the configuration file, for editors.

usage: sls-siem-bridge schema > sls-siem-bridge.schema.json

An editor with the YAML language server then completes and checks a file that begins with

  # yaml-language-server: $schema=./sls-siem-bridge.schema.json

  --help
`

export const schemaCommand = command({
  name: 'schema',
  help: HELP,
  options: {},
  async run(_, io) {
    io.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
    return EXIT.done
  },
})
