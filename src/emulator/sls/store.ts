import { Watch } from '../watch.ts'
import type { Commit } from './group-api.ts'
import type { LogstoreOptions, LogstoreSettings } from './logstore.ts'
import { Logstore } from './logstore.ts'
import { SlsRefusal } from './refusal.ts'
import type { SlsState } from './state.ts'

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
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Every accepted checkpoint, in order. */
  readonly commits: Commit[] = []
  readonly watch = new Watch()
  readonly #defaults: LogstoreOptions
  readonly #projects = new Map<string, Project>()

  /** `defaults` are the options of every logstore that has none of its own. */
  constructor(now: () => number, defaults: LogstoreOptions) {
    this.now = now
    this.#defaults = defaults
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

  /** The project of that name, else the oldest. Refuses with ProjectNotExist. */
  project(name?: string): Project {
    const project = name === undefined ? this.projects()[0] : this.#projects.get(name)
    if (!project) throw new SlsRefusal('ProjectNotExist', `The Project does not exist : ${name ?? '(any)'}`)
    return project
  }

  deleteProject(name: string): void {
    this.project(name)
    this.#projects.delete(name)
  }

  createLogstore(
    project: string,
    name: string,
    options: LogstoreOptions & { settings?: Partial<LogstoreSettings> } = {},
  ): Logstore {
    const { logstores } = this.project(project)
    const { shards = 2 } = { ...this.#defaults, ...options }
    if (!LOGSTORE_NAME.test(name)) throw new SlsRefusal('LogStoreInfoInvalid', `invalid logstore name: ${name}`)
    if (!Number.isInteger(shards) || shards < 1 || shards > MAX_SHARDS) {
      throw new SlsRefusal('LogStoreInfoInvalid', `shardCount must be from 1 to ${MAX_SHARDS}, not ${shards}`)
    }
    if (logstores.has(name)) throw new SlsRefusal('LogStoreAlreadyExist', `logstore ${name} already exists`)
    const place = { project, name, now: this.now, watch: this.watch }
    const logstore = new Logstore({ ...this.#defaults, ...options, ...place })
    logstores.set(name, logstore)
    return logstore
  }

  /** The logstore of that name, else the oldest of the project. Refuses with ProjectNotExist, LogStoreNotExist. */
  logstore(project?: string, name?: string): Logstore {
    const { logstores } = this.project(project)
    const logstore = name === undefined ? [...logstores.values()][0] : logstores.get(name)
    if (!logstore) throw new SlsRefusal('LogStoreNotExist', `logstore ${name ?? '(any)'} does not exist`)
    return logstore
  }

  deleteLogstore(project: string, name: string): void {
    this.logstore(project, name)
    this.project(project).logstores.delete(name)
  }

  state(): SlsState {
    const logstores = this.projects().flatMap((project) => [...project.logstores.values()])
    return { now: this.now(), logstores: logstores.map((logstore) => logstore.state()) }
  }
}
