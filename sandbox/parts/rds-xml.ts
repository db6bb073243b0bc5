/** Answers of the AWS query protocol. Pure. */

export type XmlTree = { [name: string]: XmlValue | XmlValue[] | undefined };
type XmlValue = string | number | boolean | Date | XmlTree;

const NAMESPACE = 'http://rds.amazonaws.com/doc/2014-10-31/';

export function renderAnswer(action: string, result: XmlTree, requestId: string): string {
  const children = {
    [`${action}Result`]: result,
    ResponseMetadata: { RequestId: requestId },
  };
  return `<${action}Response xmlns="${NAMESPACE}">${renderTree(children)}</${action}Response>`;
}

export function renderError(
  { code, message, status }: { code: string; message: string; status: number },
  requestId: string,
): string {
  const error = { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message };
  const children = { Error: error, RequestId: requestId };
  return `<ErrorResponse xmlns="${NAMESPACE}">${renderTree(children)}</ErrorResponse>`;
}

/** A list is its element once for each member. */
function renderTree(tree: XmlTree): string {
  return Object.entries(tree)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => ({ name, each })))
    .map(({ name, each }) => (each === undefined ? '' : `<${name}>${renderValue(each)}</${name}>`))
    .join('');
}

function renderValue(value: XmlValue): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? renderTree(value) : escapeText(String(value));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
