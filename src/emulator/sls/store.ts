import type { LogstoreOptions } from './logstore.ts'
import { Logstore } from './logstore.ts'
import { SlsRefusal } from './refusal.ts'

export interface SlsStoreOptions
  extends Pick<LogstoreOptions, 'now' | 'retentionSeconds' | 'maxConsumerGroups' | 'groupTimeoutFloorSeconds'> {}

export interface Project {
  readonly name: string
  description: string
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly logstores: Map<string, Logstore>
}

const PROJECT_NAME = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/
const LOGSTORE_NAME = /^[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]$/
const MAX_SHARDS = 20_000

/** Everything the emulator holds: projects → logstores → shards → log groups. In memory only. */
export class SlsStore {
  readonly #options: SlsStoreOptions
  readonly #projects = new Map<string, Project>()

  /** Milliseconds since the epoch. */
  readonly now: () => number

  constructor(options: SlsStoreOptions) {
    this.#options = options
    this.now = options.now
  }

  projects(): Project[] {
    return [...this.#projects.values()]
  }

  createProject(name: string, description = ''): Project {
    if (!PROJECT_NAME.test(name)) throw new SlsRefusal('ParameterInvalid', `invalid project name: ${name}`)
    if (this.#projects.has(name)) throw new SlsRefusal('ProjectAlreadyExist', `project ${name} already exists`)
    const project = { name, description, createdAt: this.now(), logstores: new Map<string, Logstore>() }
    this.#projects.set(name, project)
    return project
  }

  /** Refuses with ProjectNotExist. */
  project(name: string): Project {
    const project = this.#projects.get(name)
    if (!project) throw new SlsRefusal('ProjectNotExist', `The Project does not exist : ${name}`)
    return project
  }

  deleteProject(name: string): void {
    this.project(name)
    this.#projects.delete(name)
  }

  createLogstore(
    project: string,
    name: string,
    options: Pick<LogstoreOptions, 'shards' | 'settings' | 'retentionSeconds'> = {},
  ): Logstore {
    const { logstores } = this.project(project)
    const shards = options.shards ?? 2
    if (!LOGSTORE_NAME.test(name)) throw new SlsRefusal('LogStoreInfoInvalid', `invalid logstore name: ${name}`)
    if (!Number.isInteger(shards) || shards < 1 || shards > MAX_SHARDS) {
      throw new SlsRefusal('LogStoreInfoInvalid', `shardCount must be from 1 to ${MAX_SHARDS}, not ${shards}`)
    }
    if (logstores.has(name)) throw new SlsRefusal('LogStoreAlreadyExist', `logstore ${name} already exists`)
    const logstore = new Logstore({ ...this.#options, ...options, name })
    logstores.set(name, logstore)
    return logstore
  }

  /** Refuses with ProjectNotExist, LogStoreNotExist. */
  logstore(project: string, name: string): Logstore {
    const logstore = this.project(project).logstores.get(name)
    if (!logstore) throw new SlsRefusal('LogStoreNotExist', `logstore ${name} does not exist`)
    return logstore
  }

  deleteLogstore(project: string, name: string): void {
    this.logstore(project, name)
    this.project(project).logstores.delete(name)
  }
}
