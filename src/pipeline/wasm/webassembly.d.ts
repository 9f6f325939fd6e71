/** What we use of it; only the DOM's types know WebAssembly, and those know much that is not here. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Memory {
    readonly buffer: ArrayBuffer
    constructor(limits: { initial: number; maximum: number })
  }
  class Instance {
    readonly exports: object
    constructor(module: Module, imports: Record<string, Record<string, unknown>>)
  }
}
