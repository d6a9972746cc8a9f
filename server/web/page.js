// The administrator's page: shows what the API of the same node answers, and asks it for changes. Nothing from outside.
import { html, render, useCallback, useEffect, useRef, useState } from '/htm-preact.js';
import { listen, tokenKey } from '/node.js';
import { Figures, Now, Outbox, Peers, Problems, Studies, Study } from '/views.js';

function useHash() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const change = () => setHash(location.hash);
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
}

function TokenForm({ wrong, done }) {
  const [token, setToken] = useState('');
  const submit = (e) => { e.preventDefault(); sessionStorage.setItem(tokenKey, token.trim()); done(); };
  return html`<section aria-labelledby="token"><h2 id="token">Token</h2>
    <p>This node shows its state to holders of a token only (<code>token_file</code> in its configuration). It is kept until this tab is closed.</p>
    ${wrong && html`<p class="bad" role="alert">This token was not accepted.</p>`}
    <form class="filters" onSubmit=${submit}><label><span>Token</span><input type="password" autocomplete="off" value=${token} onInput=${(e) => setToken(e.target.value)}/></label><button>Show</button></form>
  </section>`;
}

const views = [['', 'Overview'], ['studies', 'Studies'], ['outbox', 'Outbox'], ['peers', 'Peers'], ['problems', 'Problems'], ['figures', 'Figures']];

function Page() {
  const [view, argument] = useHash();
  const [status, setStatus] = useState(null);
  const [link, setLink] = useState('connecting');
  const [notice, setNotice] = useState({ text: '', bad: false });
  const [round, setRound] = useState(0);
  const main = useRef(null);
  const first = useRef(true);
  const say = useCallback((text, bad = false) => setNotice({ text, bad }), []);

  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const run = async () => {
      try {
        await listen((next) => { setStatus(next); setLink('live'); }, stop.signal);
        throw new Error('ended');
      } catch (problem) {
        if (stop.signal.aborted) return;
        if (problem.status === 401) { setLink('token'); return; }
        setLink('lost');
        timer = setTimeout(run, 2000);
      }
    };
    run();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [round]);

  useEffect(() => {
    const name = views.find(([key]) => key === view)?.[1] ?? 'Overview';
    document.title = `${argument ? `Study ${argument}` : name} – glionode`;
    setNotice({ text: '', bad: false });
    if (!first.current) main.current?.focus();
    first.current = false;
  }, [view, argument]);

  const version = status?.index_version ?? 0;
  // Lists are asked for at once, beside the state.
  let content;
  if (link === 'token') content = html`<${TokenForm} wrong=${sessionStorage.getItem(tokenKey) !== null} done=${() => { setLink('connecting'); setRound(round + 1); }}/>`;
  else if (view === 'studies' && argument) content = html`<${Study} key=${argument} uid=${argument} version=${version} say=${say} identity=${status?.show_identity}/>`;
  else if (view === 'studies') content = html`<${Studies} key="all" version=${version}/>`;
  else if (view === 'outbox') content = html`<${Outbox} version=${version} say=${say}/>`;
  else if (view === 'peers') content = html`<${Peers} version=${version} say=${say}/>`;
  else if (view === 'figures') content = html`<${Figures} version=${version}/>`;
  else if (view === 'problems') content = html`<${Problems} version=${version}/>`;
  else content = html`<${Problems} version=${version} short/>${status ? html`<${Now} status=${status}/>` : ''}<${Studies} version=${version}/>`;

  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); main.current.focus(); }}>To the content</a>
    <header><h1>glionode ${status?.ae_title ?? ''}</h1><span class="stamp">NOT FOR CLINICAL USE</span>
      <p class="soft">${status ? html`${status.version}, DICOM port ${status.dicom_port}` : ''}</p>
      <p role="status" class=${link === 'lost' ? 'bad' : 'soft'}>${{ live: 'Live', lost: 'No answer from the node; trying again. What is shown may be old.', connecting: 'Connecting', token: 'A token is needed' }[link]}</p></header>
    <nav aria-label="Views"><ul>${views.map(([key, name]) => html`<li><a href=${`#/${key}`} aria-current=${key === view ? 'page' : null}>${name}</a></li>`)}</ul></nav>
    <main id="main" tabindex="-1" ref=${main}>
      <p class=${`notice ${notice.bad ? 'bad' : 'good'}`} role="status" aria-live="polite">${notice.text}</p>
      ${content}
    </main>
    <footer>NOT FOR CLINICAL USE. <a href="/api/v1/openapi.json">API</a> · <a href="/licenses.txt">Licences of this page's libraries</a></footer>`;
}

render(html`<${Page}/>`, document.getElementById('page'));
