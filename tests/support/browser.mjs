// A browser under remote control: reads one JSON line {"code": "..."} at a time, runs it as the body of an async
// function of (page, context, browser, helpers), and answers {"value"} or {"error"} as one line. Chromium is Debian's.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.env.GLIONODE_NPM + '/');
const { chromium } = require('playwright-core');
const axeSource = require('axe-core').source;

const browser = await chromium.launch({ executablePath: process.env.GLIONODE_CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
const problems = [];
let context, page;

const helpers = {
  /// A new page with these context options; what goes wrong in it is collected.
  async open(options = {}) {
    if (context) await context.close();
    context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ignoreHTTPSErrors: true, ...options });
    context.setDefaultTimeout(Number(process.env.GLIONODE_PAGE_TIMEOUT ?? 30000));
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
    page.on('console', (message) => { if (message.type() === 'error') problems.push(`console: ${message.text()}`); });
    page.on('request', (request) => helpers.requests.push(request.url()));
  },
  requests: [],
  problems,
  /// axe-core's violations, as "rule: selector" texts. (evaluate runs outside of the page's CSP.)
  async axe() {
    await page.evaluate(axeSource);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    return found.violations.flatMap((v) => v.nodes.map((node) => `${v.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
  },
};
await helpers.open();

const AsyncFunction = (async () => {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const run = new AsyncFunction('page', 'context', 'browser', 'helpers', JSON.parse(line).code);
    answer = { value: (await run(page, context, browser, helpers)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
await browser.close();
