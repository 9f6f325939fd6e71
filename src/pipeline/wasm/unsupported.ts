/** Says what in a program the kernel cannot run. */
export class Unsupported extends Error {}
