import { Secret } from '../core/secret.ts'
import type { Config } from './model.ts'

/**
 * What a running replica cannot take over from a configuration: everything but routes, shapes and tests. The places that
 * differ, such as `sinks.splunk.urls`; none if it can take all. Contents of files are no difference, since the replica reads
 * the files again when they change.
 */
export function needsRestart(running: Config, wanted: Config): string[] {
  return differences(fixedPart(running), fixedPart(wanted), [])
}

function fixedPart({ routing: _, tests: __, sources, ...rest }: Config): object {
  return { ...rest, sources: sources.map(({ shape: ___, ...source }) => source) }
}

function differences(one: unknown, other: unknown, place: readonly string[]): string[] {
  if (one instanceof Secret && other instanceof Secret) return one.reveal() === other.reveal() ? [] : [place.join('.')]
  if (!isObject(one) || !isObject(other)) return Object.is(one, other) ? [] : [place.join('.')]
  const [before, after] = [membersOf(one), membersOf(other)]
  const keys = [...new Set([...before.keys(), ...after.keys()])]
  return keys.flatMap((key) => differences(before.get(key), after.get(key), [...place, key]))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Secret)
}

/** By key; sources and sinks by their names. What was read from one of the `files` is left out. */
function membersOf(value: object): Map<string, unknown> {
  const files: unknown = 'files' in value ? value.files : undefined
  const entries = Object.entries(value).filter(([key]) => !(isObject(files) && key in files))
  return new Map(entries.map(([key, member]) => [Array.isArray(value) ? (nameOf(member) ?? key) : key, member]))
}

function nameOf(member: unknown): string | undefined {
  return isObject(member) && 'name' in member ? String(member.name) : undefined
}
