/** Colours, where they are wanted. */

type Wrap = (text: string) => string;

export interface Paint {
  bold: Wrap;
  dim: Wrap;
  green: Wrap;
  red: Wrap;
  yellow: Wrap;
  cyan: Wrap;
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

const ESCAPE = '\u001b[';
const COLOUR = new RegExp(`(${ESCAPE.replace('[', '\\[')}\\d+m)`);

/** Cut to `columns`, control characters of colours not counted. */
export function fitTo(text: string, columns: number): string {
  let shown = 0;
  let fitted = '';
  for (const part of text.split(COLOUR)) {
    if (part.startsWith(ESCAPE)) {
      fitted += part;
      continue;
    }
    const room = Math.max(0, columns - shown);
    fitted += part.length > room ? `${part.slice(0, Math.max(0, room - 1))}${room > 0 ? '…' : ''}` : part;
    shown += part.length;
  }
  return fitted;
}
