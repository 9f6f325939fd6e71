import { resolve } from 'node:path'
import { mayComeLater } from '../../core/errors.ts'
import { openGeoDatabase } from '../../geo/database.ts'
import { withoutPath } from '../problems.ts'
import type { Described } from './shape.ts'
import { checked, defaulting, map, Refusal, required, text } from './shape.ts'
import type { Draft } from './step-parts.ts'
import { fieldKey, filePath, onFailureKey, path } from './step-parts.ts'

/** `folder` is where relative paths start. */
export function geoipIn(folder: string): Described<Draft> {
  return checked(
    map(
      {
        field: required(text(path, { doc: 'Where the address stands.', example: 'clientip' })),
        database: required(
          text(filePath, { doc: 'Your MaxMind database. It is read again when it is replaced.', example: 'city.mmdb' }),
        ),
        into: defaulting('geo', text(fieldKey, { doc: 'The field that the place becomes, as a JSON object.' })),
        on_failure: onFailureKey,
      },
      {
        doc: 'Adds the place of an address, from a MaxMind database of yours.',
        example: '{field: clientip, database: /var/lib/GeoIP/GeoLite2-City.mmdb}',
      },
    ),
    ({ field, database: written, into, on_failure }): Draft | Refusal => {
      try {
        const database = openGeoDatabase(resolve(folder, written))
        return (byDefault) => ({ name: 'geoip', field, database, into, onFailure: on_failure ?? byDefault })
      } catch (error) {
        return new Refusal(`cannot be used: ${withoutPath(error)}`, 'a MaxMind database (.mmdb)', {
          under: ['database'],
          passing: mayComeLater(error),
        })
      }
    },
  )
}
