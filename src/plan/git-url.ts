/** Addresses of git repositories that a plan may name. Pure. */

export interface GitUrlFault {
  /** Ends the sentence "it …". Never repeats the address: what is wrong with it may be a password. */
  why: string;
  fix: string;
}

const FORMS = 'https://host/path, ssh://user@host/path, git@host:path, file:///path or an absolute path';

/** `git@host:path`; neither part may look like an option of ssh or git. */
const SCP_LIKE = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^-\s:][^\s]*$/;

const HELPER_FIX =
  'Leave it out: each machine logs in by itself, with a credential helper of git or an SSH key.';

/** What is wrong with the address; `undefined` for one that git may be given. */
export function checkGitUrl(url: string): GitUrlFault | undefined {
  if (url.includes('${')) return { why: 'holds a reference', fix: HELPER_FIX };
  if (/[\s\p{Cc}]/u.test(url)) return { why: 'holds white space', fix: `Write ${FORMS}.` };
  if (/^\/[^/]/.test(url) || SCP_LIKE.test(url)) return undefined;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || url.startsWith('-')) {
    return { why: 'is no address that git is given by a plan', fix: `Write ${FORMS}.` };
  }
  const { protocol, username, password, hostname, search, hash, pathname } = parsed;
  if (password !== '') return { why: 'holds a password', fix: HELPER_FIX };
  if (protocol === 'file:' && hostname === '' && pathname !== '/') return undefined;
  if (protocol !== 'https:' && protocol !== 'ssh:') {
    return { why: `begins with ${protocol}, which is not allowed`, fix: `Write ${FORMS}.` };
  }
  // With https a user alone is a token more often than not.
  if (protocol === 'https:' && username !== '') return { why: 'holds a user or a token', fix: HELPER_FIX };
  if (search !== '' || hash !== '') return { why: 'holds a query or a fragment', fix: HELPER_FIX };
  if (hostname.startsWith('-') || username.startsWith('-') || hostname === '' || pathname.length < 2) {
    return { why: 'names no host or no repository', fix: `Write ${FORMS}.` };
  }
  return undefined;
}

/** A whole commit id, hex. */
export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** A name that git takes for a branch or a tag, `refs/heads/main` written out included. */
export function isRefName(text: string): boolean {
  if (!/^[^\s\p{Cc}~^:?*[\\${}]+$/u.test(text) || text.length > 250) return false;
  if (/^[-/]|[./]$|\.\.|\/\/|@\{|\.lock(\/|$)|(^|\/)\./.test(text)) return false;
  return text !== '@' && text !== 'HEAD';
}
