import type { GeoipStep, GeoRecord, OnFailure } from '../../routing/step.ts'
import type { Log } from './log.ts'
import { jsonValue } from './log.ts'
import { lineAt, NOT_TEXT } from './parse.ts'

/** An address that the database does not know is no failure: it knows no private ones. */
export function geoip(log: Log, { field, database, into, onFailure }: GeoipStep): Log | OnFailure {
  const address = lineAt(field, log)
  if (address === undefined) return log
  if (address === NOT_TEXT) return onFailure
  try {
    const record = database.lookUp(address)
    if (record === undefined) return log
    return { ...log, members: new Map(log.members).set(into, jsonValue(textOf(placeOf(record)))) }
  } catch {
    return onFailure
  }
}

/** Names of the Elastic Common Schema for what the databases of MaxMind have; other values under their own names. */
function placeOf(record: GeoRecord): GeoRecord {
  const { continent, country, subdivisions, city, postal, location, ...others } = record
  const [region] = Array.isArray(subdivisions) ? (subdivisions as unknown[]) : []
  const [countryCode, regionCode] = [member(country, 'iso_code'), member(region, 'iso_code')]
  const flat = Object.fromEntries(Object.entries(others).filter(([, value]) => isScalar(value)))
  return {
    continent_code: member(continent, 'code'),
    continent_name: nameOf(continent),
    country_iso_code: countryCode,
    country_name: nameOf(country),
    region_iso_code:
      countryCode === undefined || regionCode === undefined ? regionCode : `${countryCode}-${regionCode}`,
    region_name: nameOf(region),
    city_name: nameOf(city),
    postal_code: member(postal, 'code'),
    lat: member(location, 'latitude'),
    lon: member(location, 'longitude'),
    timezone: member(location, 'time_zone'),
    ...flat,
    ...(isScalar(country) && { country }),
    ...(isScalar(city) && { city }),
  }
}

function member(value: unknown, key: string): Scalar | undefined {
  const found = typeof value === 'object' && value !== null ? (value as GeoRecord)[key] : undefined
  return isScalar(found) ? found : undefined
}

function nameOf(value: unknown): Scalar | undefined {
  return typeof value === 'object' && value !== null ? member((value as GeoRecord)['names'], 'en') : undefined
}

type Scalar = string | number | boolean | bigint

function isScalar(value: unknown): value is Scalar {
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
}

/** A number of 128 bits is its digits. */
function textOf(place: GeoRecord): string {
  return JSON.stringify(place, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}
