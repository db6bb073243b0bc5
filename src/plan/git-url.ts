/** Addresses of git repositories, and what of them a plan may name. Pure. */

export interface GitUrlFault {
  /** Follows the address in a sentence. Never repeats it: what is wrong with it may be a password. */
  why: string;
  fix: string;
}

export const GIT_URL_FORMS =
  'https://host/path, ssh://user@host/path, git@host:path, file:///path or an absolute path';

/** `git@host:path`; neither part may look like an option of ssh or git. */
const SCP_LIKE = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^-:\s][^\s]*$/;

const WRITE_OTHERWISE = `Write ${GIT_URL_FORMS}.`;
const LEAVE_OUT =
  'Leave it out: each machine logs in by itself, with a credential helper of git or an SSH key.';

/** What is wrong with the address; `undefined` for one that git may be given. */
export function checkGitUrl(url: string): GitUrlFault | undefined {
  if (url.includes('${')) return { why: 'holds a reference', fix: LEAVE_OUT };
  if (/[\s\p{Cc}]/u.test(url)) return { why: 'holds white space', fix: WRITE_OTHERWISE };
  if (/^\/[^/]/.test(url) || SCP_LIKE.test(url)) return undefined;
  // Without both slashes git would take it for the path on a host of that name.
  if (!/^[a-z]+:\/\/[^\\]+$/.test(url) || !URL.canParse(url)) {
    return { why: 'is no address of a repository', fix: WRITE_OTHERWISE };
  }
  return checkParsed(new URL(url));
}

function checkParsed({ protocol, username, password, hostname, pathname, search, hash }: URL) {
  if (password !== '') return { why: 'holds a password', fix: LEAVE_OUT };
  if (protocol === 'file:' && hostname === '' && pathname.length > 1) return undefined;
  if (protocol !== 'https:' && protocol !== 'ssh:') {
    return { why: 'is of a kind that a plan may not name', fix: WRITE_OTHERWISE };
  }
  // With https a user alone is more often than not a token.
  if (protocol === 'https:' && username !== '') return { why: 'holds a user or a token', fix: LEAVE_OUT };
  if (search !== '' || hash !== '') return { why: 'holds a query or a fragment', fix: LEAVE_OUT };
  const isNamed = hostname !== '' && pathname.length > 1;
  if (isNamed && !hostname.startsWith('-') && !username.startsWith('-')) return undefined;
  return { why: 'names no host or no repository', fix: WRITE_OTHERWISE };
}

/** A whole commit id, hex. */
export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** What git takes for the name of a branch or a tag; `refs/heads/main` says which one is meant. */
export function isRefName(text: string): boolean {
  if (text.length > 250 || !/^[^\s\p{Cc}~^:?*[\\${}]+$/u.test(text)) return false;
  return !/^[-/@]$|^[-/]|[./]$|\.\.|\/\/|\.lock(\/|$)|(^|\/)\.|^HEAD$/.test(text);
}

/** `https://github.com/acme/shop.git@1a2b3c4d5e6f (main)`. */
export function showSource({ git, ref, commit }: { git: string; ref: string; commit: string }): string {
  const short = commit.slice(0, 12);
  return ref === commit ? `${git}@${short}` : `${git}@${short} (${ref})`;
}
