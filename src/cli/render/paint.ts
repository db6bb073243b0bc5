/** Colours, where they are wanted. */

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

export function paintIf(color: boolean): Paint {
  const wrap = (open: number, close: number) => (text: string) =>
    color ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    green: wrap(32, 39),
    red: wrap(31, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

/** Cut to `columns`, control characters of colours not counted. */
export function fitTo(text: string, columns: number): string {
  let shown = 0;
  let fitted = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours
  for (const part of text.split(/(\x1b\[\d+m)/)) {
    if (part.startsWith('\x1b[')) {
      fitted += part;
      continue;
    }
    const room = Math.max(0, columns - shown);
    fitted += part.length > room ? `${part.slice(0, Math.max(0, room - 1))}${room > 0 ? '…' : ''}` : part;
    shown += part.length;
  }
  return fitted;
}
