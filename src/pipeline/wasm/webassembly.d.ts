/** The parts of WebAssembly in use. Only the DOM's types declare it, along with much that Node does not have. */
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
