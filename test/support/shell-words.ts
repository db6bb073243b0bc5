/** A text in which a shell sees commands, in each way in which it may come to read it. Run by one, it makes the file `x`. */
export const COMMANDS = `$(touch x); touch x #' ; touch x; "\`touch x\`" | touch x & > x #`;
