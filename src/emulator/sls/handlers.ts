import type { SlsApi, SlsCall, SlsReply } from './call.ts'
import * as groups from './group-api.ts'
import type { Logstore } from './logstore.ts'
import * as metadata from './metadata-api.ts'
import * as pull from './pull-logs.ts'
import { putLogs } from './put-logs.ts'
import { SlsRefusal } from './refusal.ts'
import type { Shard } from './shard.ts'
import * as shards from './shard-api.ts'
import type { Project, SlsStore } from './store.ts'

/** The objects that a call names. Each getter refuses what does not exist, in the order the service looks. */
class Exchange {
  readonly call: SlsCall
  readonly store: SlsStore
  /** Milliseconds, by the server's clock (which a scripted fault may have skewed). */
  readonly now: number

  constructor(call: SlsCall, store: SlsStore, now: number) {
    this.call = call
    this.store = store
    this.now = now
  }

  get project(): Project {
    const { project, authority } = this.call
    if (project === undefined) throw new SlsRefusal('ProjectNotExist', `host ${authority} names no project`)
    return this.store.project(project)
  }

  get logstore(): Logstore {
    return this.store.logstore(this.project.name, this.call.logstore)
  }

  get shard(): Shard {
    return this.logstore.shard(this.call.shard)
  }
}

type Handler = (exchange: Exchange) => SlsReply

/** From a verified call to its answer, one line per API. */
export class SlsHandlers {
  readonly #store: SlsStore
  readonly #handlers: Readonly<Record<SlsApi, Handler>>

  constructor(store: SlsStore) {
    this.#store = store
    this.#handlers = {
      PutLogs: ({ call, logstore, now }) => putLogs(call, logstore, now),
      PullLogs: ({ call, logstore, now }) => pull.pullLogs(call, logstore, now),
      GetCursor: ({ call, shard }) => pull.getCursor(call, shard),
      GetCursorTime: ({ call, shard }) => pull.getCursorTime(call, shard),
      ListShards: ({ logstore }) => shards.listShards(logstore),
      SplitShard: ({ call, logstore }) => shards.splitShard(call, logstore),
      MergeShard: ({ call, logstore }) => shards.mergeShard(call, logstore),
      DeleteShard: ({ call, logstore }) => shards.deleteShard(call, logstore),
      CreateConsumerGroup: ({ call, logstore }) => groups.createConsumerGroup(call, logstore),
      ListConsumerGroup: ({ logstore }) => groups.listConsumerGroups(logstore),
      UpdateConsumerGroup: ({ call, logstore }) => groups.updateConsumerGroup(call, logstore),
      DeleteConsumerGroup: ({ call, logstore }) => groups.deleteConsumerGroup(call, logstore),
      ConsumerGroupHeartBeat: ({ call, logstore }) => groups.heartbeat(call, logstore),
      GetCheckPoint: ({ call, logstore }) => groups.getCheckpoints(call, logstore),
      ConsumerGroupUpdateCheckPoint: ({ call, logstore }) =>
        groups.updateCheckpoint(call, logstore, (commit) => store.commits.push({ at: store.now(), ...commit })),
      GetLogStore: ({ logstore }) => metadata.getLogstore(logstore),
      ListLogStores: ({ call, project }) => metadata.listLogstores(call, project),
      CreateLogStore: ({ call, project }) => metadata.createLogstore(call, project, store),
      UpdateLogStore: ({ call, logstore }) => metadata.updateLogstore(call, logstore),
      DeleteLogStore: ({ call, project }) => metadata.deleteLogstore(call, project, store),
      GetProject: ({ project }) => metadata.getProject(project),
      ListProject: ({ call }) => metadata.listProjects(call, store),
      CreateProject: ({ call }) => metadata.createProject(call, store),
      DeleteProject: ({ project }) => metadata.deleteProject(project, store),
    }
  }

  /** `now` in ms by the server's clock. Throws the SlsRefusal to be answered. */
  handle(call: SlsCall, now: number): SlsReply {
    return this.#handlers[call.api](new Exchange(call, this.#store, now))
  }
}
