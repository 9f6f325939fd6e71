/** HTTP status of every error code this server answers (SLS protocol: error codes). */
export const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  ConsumerGroupAlreadyExist: 400,
  ConsumerGroupNotExist: 404,
  ConsumerGroupQuotaExceed: 400,
  ConsumerNotExist: 404,
  ConsumerNotMatch: 400,
  InternalServerError: 500,
  InvalidAPIVersion: 400,
  InvalidAccessKeyId: 401,
  InvalidBodyRawSize: 400,
  InvalidCompressType: 400,
  InvalidContentType: 400,
  InvalidCursor: 400,
  InvalidDateFormat: 400,
  InvalidKey: 400,
  InvalidMethod: 405,
  InvalidShardCheckPoint: 400,
  InvalidSignatureMethod: 400,
  InvalidTimestamp: 400,
  JsonInfoInvalid: 400,
  LogStoreAlreadyExist: 400,
  LogStoreInfoInvalid: 400,
  LogStoreNotExist: 404,
  LogStoreWithoutShard: 400,
  MissingAPIVersion: 400,
  MissingBodyRawSize: 400,
  MissingContentType: 400,
  MissingDate: 400,
  MissingHost: 400,
  MissingParameter: 400,
  MissingSignatureMethod: 400,
  NotExistConsumerWithBody: 400,
  ParameterInvalid: 400,
  PostBodyInvalid: 400,
  PostBodyTooLarge: 413,
  PostBodyUncompressError: 400,
  ProjectAlreadyExist: 400,
  ProjectForbidden: 403,
  ProjectNotExist: 404,
  ProjectQuotaExceed: 403,
  ReadQuotaExceed: 403,
  RequestTimeExpired: 400,
  RequestTimeTooSkewed: 400,
  RequestTimeout: 500,
  ServerBusy: 503,
  ShardNotExist: 404,
  ShardReadQuotaExceed: 403,
  ShardWriteQuotaExceed: 403,
  SignatureNotMatch: 401,
  Unauthorized: 401,
  WriteQuotaExceed: 403,
}

/** A request the service refuses: becomes the JSON error body. Not a fault of the emulator. */
export class SlsRefusal extends Error {
  readonly status: number
  readonly code: string

  constructor(code: string, message: string, status = STATUS_OF_CODE[code] ?? 400) {
    super(message)
    this.name = 'SlsRefusal'
    this.code = code
    this.status = status
  }
}
