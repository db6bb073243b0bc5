import { describe, expect, it } from 'vitest';
import { hideCredentials, lastWords } from '../../../src/tools/git/call.js';
import { parsePush } from '../../../src/tools/git/push.js';

describe('what git says', () => {
  it.each([
    ['https://ana:canary@git.example.com/a.git', 'https://***@git.example.com/a.git'],
    ['https://canary-token@git.example.com/a.git', 'https://***@git.example.com/a.git'],
    ['https://ana:canary@pass@git.example.com/a.git', 'https://***@git.example.com/a.git'],
    ['ssh://ana:canary@git.example.com/a.git', 'ssh://***@git.example.com/a.git'],
  ])('loses the credentials of %s', (address, shown) => {
    expect(hideCredentials(`fatal: '${address}' and ${address}`)).toBe(`fatal: '${shown}' and ${shown}`);
  });

  it('keeps an address without credentials and the user of SSH', () => {
    const text = 'ssh://git@git.example.com/a.git git@git.example.com:a.git https://git.example.com/a@v1';
    expect(hideCredentials(text)).toBe(text);
  });

  it('is told by its last lines, without hints', () => {
    const stderr = 'one\nhint: Updates were rejected\nremote: no https://u:canary@h/x\n';
    expect(lastWords({ stderr, stdout: 'other' })).toBe('one / remote: no https://***@h/x');
    expect(lastWords({ stderr: '', stdout: '' })).toBe('it said nothing');
  });

  it('is told at once, however long a line a remote has sent', () => {
    const startedAt = performance.now();
    const said = lastWords({ stderr: `remote: ${'a-'.repeat(200_000)}`, stdout: '' });
    expect(said).toHaveLength(600);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('the outcome of a push', () => {
  const parse = (...lines: string[]) =>
    parsePush({ exitCode: 1, stdout: `To x\n${lines.join('\n')}\nDone\n`, stderr: 'remote: our rule' });

  it('is somebody else being quicker, whether our git or the remote finds out', () => {
    expect(
      parse(
        '!\ta:refs/heads/main\t[rejected] (fetch first)',
        '!\tb:refs/tags/v1\t[rejected] (atomic push failed)',
      ),
    ).toEqual({ status: 'movedOn', reason: '[rejected] (fetch first)' });
    expect(parse('!\tb:refs/tags/v1\t[rejected] (already exists)')).toMatchObject({ status: 'movedOn' });
    expect(
      parse(
        "!\ta:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)",
      ),
    ).toMatchObject({ status: 'movedOn' });
  });

  it('is told on the side when a whole fails at the remote', () => {
    const stdout = '!\ta:refs/heads/main\t[remote rejected] (atomic transaction failed)\n';
    const stderr = "remote: error: cannot lock ref 'refs/heads/main': is at 1 but expected 2";
    expect(parsePush({ exitCode: 1, stdout, stderr })).toEqual({ status: 'movedOn', reason: stderr });
    expect(() => parsePush({ exitCode: 1, stdout, stderr: 'remote: disk full' })).toThrow(/disk full/);
  });

  it('is a refusal, with what the remote says', () => {
    expect(parse('!\ta:refs/heads/main\t[remote rejected] (pre-receive hook declined)')).toEqual({
      status: 'refused',
      reason: '[remote rejected] (pre-receive hook declined): remote: our rule',
    });
  });

  it('is a refusal when nothing was sent, and unknown when the connection broke', () => {
    expect(parsePush({ exitCode: 1, stdout: '', stderr: 'error: failed to push some refs' })).toEqual({
      status: 'refused',
      reason: 'before anything was sent, by git or a pre-push hook: error: failed to push some refs',
    });
    const stderr = 'error: RPC failed; curl 56\nfatal: the remote end hung up unexpectedly';
    expect(() => parsePush({ exitCode: 1, stdout: '', stderr })).toThrow(/git push ended with 1: .*hung up/);
  });
});
