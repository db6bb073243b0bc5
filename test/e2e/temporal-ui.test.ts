/** The Temporal UI in a browser: approval by its signal form with the JSON that the details print, and its Cancel. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/product.js';
import { APPLICATION, bringUp, type Story, start, untilProgress } from '../support/story.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
if (!executablePath && process.env.CI)
  throw new Error('no Chromium: install the distribution package chromium');

describe.skipIf(!executablePath)('in the Temporal UI', () => {
  let story: Story;
  let browser: Browser;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    story = await bringUp();
    address = story.sandbox.TEMPORAL_ADDRESS ?? '';
    await story.startWorker();
    await start(story.product, '--var', 'monitorFor=5m');
    // A browser that starts takes the machine from the load test.
    await untilProgress(address, (progress) => progress.waiting?.for === 'approval');
    browser = await chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await browser.newPage({ viewport: { width: 1400, height: 1400 } });
  });
  afterAll(async () => {
    await browser?.close();
    await story?.stop();
  });

  async function sendSignal(name: string, input: string): Promise<void> {
    await page.getByRole('button', { name: 'More Actions' }).click();
    await page.getByRole('menuitem', { name: 'Send a Signal' }).click();
    // The form for updates bears the same test id.
    const dialog = page.locator('dialog[open]');
    await dialog.getByTestId('signal-select-button').click();
    await dialog.getByRole('option', { name, exact: true }).click();
    await dialog.locator('.cm-content').first().click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.press('Delete');
    if (input) await page.keyboard.insertText(input);
    // The first click leaves the editor, which lays the JSON out, and the button moves away below the mouse.
    const submit = dialog.getByRole('button', { name: 'Submit' });
    await until(
      async () => {
        await submit.click();
        return dialog.waitFor({ state: 'hidden', timeout: 3_000 }).then(
          () => true,
          () => false,
        );
      },
      20_000,
      async () => `the form stays: ${await dialog.innerText()}`,
    );
  }

  /** The current details stand in a frame of their own, and are asked anew when the page is loaded. */
  async function untilDetails(text: RegExp): Promise<string> {
    let shown = '';
    await until(
      async () => {
        await page.reload();
        await page.locator('iframe').last().waitFor();
        const texts = await Promise.all(
          page.frames().map((frame) =>
            frame
              .locator('body')
              .innerText()
              .catch(() => ''),
          ),
        );
        shown = texts.find((each) => text.test(each)) ?? '';
        return shown !== '';
      },
      30_000,
      async () => `the details never said ${text}`,
    );
    return shown;
  }

  test('empty and wrong input change nothing and say why; the printed JSON approves', async () => {
    const { waiting } = await untilProgress(address, (progress) => progress.waiting?.for === 'approval');
    const ui = `http://127.0.0.1:${story.product.portBase + 1}`;
    await page.goto(`${ui}/namespaces/default/workflows`);
    await page
      .getByRole('link', { name: `rollout/${APPLICATION}`, exact: true })
      .first()
      .click();
    await page.getByText('User Metadata').first().click();
    await page.waitForURL(/user-metadata$/);
    await untilDetails(/Waits: production\/approval/);

    await sendSignal('approve', '');
    await untilDetails(/gate is missing/);
    await sendSignal('approve', JSON.stringify({ gate: waiting?.gate, digest: '00000000', by: 'ben' }));
    const details = await untilDetails(/look again/);
    expect((await untilProgress(address, () => true)).waiting?.for).toBe('approval');

    const printed = /\{"gate":"[^}]*\}/.exec(details.replaceAll('\u00a0', ' '))?.[0];
    expect(printed).toContain(waiting?.digest);
    await sendSignal('approve', (printed ?? '').replace('YOUR NAME', 'ben'));
    const approved = await untilProgress(address, ({ steps }) =>
      steps.some(({ name, status }) => name === 'production/approval' && status === 'succeeded'),
    );
    expect(approved.waiting?.for).not.toBe('approval');
  });

  test('its Cancel in the middle of the monitor: undone, and Cancelled only then', async () => {
    await untilProgress(address, ({ steps }) =>
      steps.some(({ name, status }) => name === 'production/monitor' && status === 'running'),
    );
    expect(await versions(), 'positive control').toEqual(['v1.0.1', 'v1.0.1']);
    await page.getByRole('button', { name: 'Request Cancellation' }).click();
    await page.locator('dialog[open]').getByRole('button', { name: 'Confirm' }).click();
    const watched = await story.product.run('watch', APPLICATION, '--json');
    expect([watched.code, watched.lines.at(-1)?.status], watched.stderr).toEqual([1, 'rolledBack']);
    expect(await versions()).toEqual(['v1.0.0', 'v1.0.0']);
    await page.reload();
    await page.getByText('Canceled').first().waitFor({ timeout: 20_000 });
  });

  /** Of what staging and production run. */
  async function versions(): Promise<string[]> {
    const asked = [6, 7].map(async (offset) => {
      const url = `http://127.0.0.1:${story.product.portBase + offset}/admin/version`;
      const headers = { authorization: `Bearer ${story.sandbox.ADMIN_TOKEN}` };
      return ((await (await fetch(url, { headers })).json()) as { version: string }).version;
    });
    return Promise.all(asked);
  }
});
