// Talking to the node: its API, its events, and answers that are asked for again when the node has changed.
import { useEffect, useRef, useState } from '/htm-preact.js';

export const tokenKey = 'glionode-token';

class ApiError extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

function headers(more) {
  const token = sessionStorage.getItem(tokenKey);
  return { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

export async function request(path, options = {}) {
  const answer = await fetch(path, { cache: 'no-store', ...options, headers: headers(options.headers) });
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  throw new ApiError(answer.status, body?.error?.text ?? `the node answered ${answer.status}`);
}
export const get = async (path) => (await request(path)).json();
export const post = async (path, body = {}) =>
  (await request(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })).json();

/// Reads server-sent events with fetch: an EventSource cannot carry a token.
export async function listen(onStatus, signal) {
  const answer = await request('/api/v1/events', { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const data = text.slice(0, end).split('\n').find((line) => line.startsWith('data: '));
      if (data) onStatus(JSON.parse(data.slice(6)));
    }
  }
}

/// The answer of `path`, asked for again whenever `version` changes (at most once a second). An answer that is under way
/// then is shown all the same: on a busy node there is always a newer version, and waiting for it would show nothing.
export function useApi(path, version) {
  const [state, setState] = useState({ data: null, problem: null });
  const asked = useRef({ path: null, at: 0, newest: 0, shown: 0 });
  useEffect(() => () => { asked.current.path = null; }, []);
  useEffect(() => {
    if (!path) return undefined;
    const now = asked.current;
    if (now.path !== path) {
      if (now.path !== null) setState({ data: null, problem: null });
      Object.assign(now, { path, at: 0, shown: now.newest });
    }
    const timer = setTimeout(() => {
      const mine = ++now.newest;
      now.at = Date.now();
      const show = (change) => {
        if (now.path !== path || mine <= now.shown) return;
        now.shown = mine;
        setState(change);
      };
      get(path).then((data) => show({ data, problem: null }), (problem) => show((old) => ({ ...old, problem })));
    }, Math.max(0, now.at + 1000 - Date.now()));
    return () => clearTimeout(timer);
  }, [path, version]);
  return state;
}
