// The views: what of the node's answers is shown, and in which words.
import { html, useEffect, useState } from '/htm-preact.js';
import { post, request, useApi } from '/node.js';

// --- words

const number = new Intl.NumberFormat('en');
const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const size = (bytes) => (bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : gib(bytes));
const percent = (p) => (typeof p === 'number' ? `${Math.round(p * 100)} %` : '–');
const sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);

function Time({ at }) {
  if (!at) return html`<span>–</span>`;
  const date = new Date(at);
  const pad = (n) => String(n).padStart(2, '0');
  const text = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return html`<time datetime=${date.toISOString()}>${text}</time>`;
}

const tones = { reported: 'good', sent: 'good', confirmed: 'good', failed: 'bad', parked: 'bad', dead: 'bad', pending: 'warn', running: 'warn' };
const State = ({ word }) => html`<span class=${tones[word] ?? ''}>${word}</span>`;
const StudyLink = ({ uid }) => html`<a class="uid" href=${`#/studies/${encodeURIComponent(uid)}`}>${uid}</a>`;

/// A table whose cells carry their column's name, for narrow screens.
function Table({ caption, columns, rows, empty }) {
  if (rows.length === 0) return html`<p class="soft">${empty}</p>`;
  return html`<table role="table">
    <caption>${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((c) => html`<th role="columnheader" scope="col">${c.name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${row.key}>
      ${columns.map((c) => html`<td role="cell" class=${c.number ? 'number' : ''} data-label=${c.name}><div>${c.cell(row)}</div></td>`)}
    </tr>`)}</tbody></table>`;
}

/// A button that asks the node for something and says what came of it: `ask` gives a text, or {text, bad}.
function Ask({ label, ask, say, name }) {
  const [busy, setBusy] = useState(false);
  const click = async () => {
    setBusy(true);
    try {
      const told = await ask();
      say(told.text ?? told, told.bad ?? false);
    } catch (problem) { say(problem.message, true); }
    setBusy(false);
  };
  return html`<button type="button" disabled=${busy} onClick=${click} aria-label=${name ?? label}>${busy ? '…' : label}</button>`;
}

// --- views

export function Now({ status }) {
  const s = status.studies ?? {};
  const o = status.outbox ?? {};
  const low = status.free_bytes < status.min_free_bytes;
  const cards = [
    ['Associations open', number.format(status.associations.open), `${number.format(status.associations.total)} since the start`],
    ['Images received', number.format(status.received.instances), `${size(status.received.bytes)} since the start; ${number.format(status.instances)} in the index`],
    ['Queue', `${(s.ready ?? 0) + (s.running ?? 0)}`, `${s.running ?? 0} running, ${s.receiving ?? 0} still receiving`],
    ['Studies', number.format(sum(s)), `${s.reported ?? 0} reported, ${s.parked ?? 0} parked, ${s.failed ?? 0} failed, ${s.ignored ?? 0} ignored`],
    ['Outbox', number.format(o.pending ?? 0), `waiting; ${(o.sent ?? 0) + (o.confirmed ?? 0)} sent, ${o.dead ?? 0} refused for good`],
    ['Disk free', gib(status.free_bytes), `new images are refused below ${gib(status.min_free_bytes)}`, low ? 'bad' : ''],
    ['Model', status.model.ready ? 'ready' : 'NOT READY', status.model.text, status.model.ready ? 'good' : 'bad'],
  ];
  return html`<section aria-labelledby="now"><h2 id="now">Now</h2>
    <dl class="cards">${cards.map(([name, value, more, tone]) => html`<div><dt>${name}</dt><dd class=${`big ${tone ?? ''}`}>${value}</dd><dd class="soft">${more}</dd></div>`)}</dl>
  </section>`;
}

export function Problems({ version, short }) {
  const { data, problem } = useApi('/api/v1/problems', version);
  if (problem) return html`<p class="bad">${problem.message}</p>`;
  if (!data) return html`<p class="soft">Asking …</p>`;
  return html`<section aria-labelledby="problems"><h2 id="problems">What needs a person</h2>
    ${data.problems.length === 0 && html`<p class="good">Nothing at the moment.</p>`}
    ${data.problems.map((p) => html`<div class=${`problem ${p.severity}`} key=${p.code}><p><strong>${p.severity === 'error' ? 'Problem' : 'Note'}:</strong> ${p.text}</p><p>What to do: ${p.what_to_do}</p></div>`)}
    ${!short && html`<h2>Newest warnings of the log</h2>
      <${Table} caption="The newest first; the log has more" empty="None since the start." rows=${data.log.map((line, i) => ({ ...line, key: `${line.at}-${i}` }))}
        columns=${[{ name: 'When', number: true, cell: (r) => html`<${Time} at=${r.at}/>` }, { name: 'Kind', cell: (r) => html`<span class=${r.severity === 'error' ? 'bad' : 'warn'}>${r.severity}</span>` },
    { name: 'Part', cell: (r) => r.area }, { name: 'Text', cell: (r) => r.text }]}/>`}
  </section>`;
}

const studyColumns = [
  { name: 'State', cell: (r) => html`<${State} word=${r.state}/>` },
  { name: 'Decision', cell: (r) => r.decision ?? '–' },
  { name: 'Rev.', number: true, cell: (r) => r.revision },
  { name: 'Last image', number: true, cell: (r) => html`<${Time} at=${r.last_arrival}/>` },
  { name: 'From', cell: (r) => r.from },
  { name: 'Study', cell: (r) => html`<${StudyLink} uid=${r.study_uid}/>` },
  { name: 'Why', cell: (r) => (r.reasons.length > 0 ? r.reasons.join(', ') : r.why) },
];

function Pages({ data, offset, setOffset, what }) {
  const end = offset + data[what].length;
  return html`<div class="actions">
    <span class="soft">${data.total === 0 ? 'none' : `${offset + 1} to ${end} of ${number.format(data.total)}`}</span>
    <button type="button" disabled=${offset === 0} onClick=${() => setOffset(Math.max(0, offset - 50))}>Newer</button>
    <button type="button" disabled=${end >= data.total} onClick=${() => setOffset(offset + 50)}>Older</button>
  </div>`;
}

function Choice({ name, value, set, words, any }) {
  return html`<label><span>${name}</span><select value=${value} onChange=${(e) => set(e.target.value)}>
    <option value="">${any}</option>${words.map((w) => html`<option value=${w}>${w}</option>`)}</select></label>`;
}

export function Studies({ version, only }) {
  const [state, setState] = useState(only ?? '');
  const [decision, setDecision] = useState('');
  const [search, setSearch] = useState('');
  const [offset, setOffset] = useState(0);
  const query = new URLSearchParams({ limit: 50, offset });
  if (state) query.set('state', state);
  if (decision) query.set('decision', decision);
  if (search.trim()) query.set('search', search.trim());
  const { data, problem } = useApi(`/api/v1/studies?${query}`, version);
  const first = (set) => (value) => { setOffset(0); set(value); };
  return html`<section aria-labelledby="studies"><h2 id="studies">Studies</h2>
    <form class="filters" onSubmit=${(e) => e.preventDefault()}>
      <${Choice} name="State" value=${state} set=${first(setState)} any="all" words=${['receiving', 'ready', 'running', 'reported', 'failed', 'parked', 'ignored']}/>
      <${Choice} name="Decision" value=${decision} set=${first(setDecision)} any="all" words=${['recurrence', 'necrosis', 'indeterminate', 'not evaluable']}/>
      <label><span>Study UID holds</span><input value=${search} onInput=${(e) => first(setSearch)(e.target.value)} autocomplete="off" spellcheck="false"/></label>
    </form>
    ${problem && html`<p class="bad">${problem.message}</p>`}
    ${data && html`<${Table} caption="The newest first" empty="No study yet. The first one that a PACS sends appears here." columns=${studyColumns} rows=${data.studies.map((r) => ({ ...r, key: r.study_uid }))}/>
      <${Pages} data=${data} offset=${offset} setOffset=${setOffset} what="studies"/>`}
  </section>`;
}

/// A picture that may need a token: fetched, then shown from memory.
function Capture({ uid, page, revision }) {
  const [source, setSource] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    let url = null;
    let dropped = false;
    request(`/api/v1/studies/${encodeURIComponent(uid)}/capture?page=${page}`).then((answer) => answer.blob()).then((blob) => {
      if (dropped) return;
      url = URL.createObjectURL(blob);
      setSource(url);
    }).catch((e) => !dropped && setProblem(e.message));
    return () => { dropped = true; if (url) URL.revokeObjectURL(url); };
  }, [uid, page, revision]);
  if (problem) return html`<p class="bad">${problem}</p>`;
  return source && html`<img class="capture" src=${source} alt=${`Page ${page} of the capture of revision ${revision}, as it was sent`}/>`;
}

const parkedHelp = {
  mixed_identity: 'The images name different patients. Look at the study in the PACS. If images of another patient are in it, correct it there and send it again: the node then judges it anew. Release it only if all images are of one and the same patient, under a name or number that was corrected; the report then carries the identity of the newest images.',
  no_patient_id: 'The images carry no Patient ID, so no report can be filed. Correct the study in the PACS and send it again.',
};

function Release({ study, say, done }) {
  const [reason, setReason] = useState('');
  const code = study.why.split(':')[0];
  const submit = async (e) => {
    e.preventDefault();
    try {
      const told = await post(`/api/v1/studies/${encodeURIComponent(study.study_uid)}/release`, { reason });
      say(told.text, !told.released);
      done();
    } catch (problem) { say(problem.message, true); }
  };
  return html`<section aria-labelledby="parked" class="problem error"><h3 id="parked">This study is parked</h3>
    <p>${study.why}</p><p>${parkedHelp[code] ?? 'Settle at the PACS whose images these are, and send the study again.'}</p>
    ${code === 'mixed_identity' && html`<form class="filters" onSubmit=${submit}>
      <label><span>What you found (kept on record; no patient's name)</span><input required minlength="3" maxlength="200" value=${reason} onInput=${(e) => setReason(e.target.value)} autocomplete="off"/></label>
      <button>Release: one patient</button></form>`}
  </section>`;
}

function outboxColumns(say) {
  return [
    { name: 'State', cell: (r) => html`<${State} word=${r.state}/>` },
    { name: 'Peer', cell: (r) => r.peer },
    { name: 'Object', cell: (r) => ({ sr: 'report', sc: 'capture', ko: 'rejection note' }[r.kind] ?? r.kind) },
    { name: 'Tries', number: true, cell: (r) => r.attempts },
    { name: 'Next try', number: true, cell: (r) => (r.state === 'pending' ? html`<${Time} at=${r.next_try}/>` : '–') },
    { name: 'Last answer', cell: (r) => r.last_status || '–' },
    { name: 'Study', cell: (r) => html`<${StudyLink} uid=${r.study_uid}/>` },
    { name: 'Do', cell: (r) => ['dead', 'parked', 'pending'].includes(r.state) && html`<${Ask} label="Retry" name=${`Retry object ${r.id}`} say=${say}
      ask=${async () => ((await post('/api/v1/retry', { ids: [r.id] })).retried > 0 ? 'It is sent again now.' : 'Nothing to retry: it has left meanwhile.')}/>` },
  ];
}

export function Study({ uid, version, say, identity }) {
  const [asked, setAsked] = useState(0);
  const { data, problem } = useApi(`/api/v1/studies/${encodeURIComponent(uid)}`, `${version}-${asked}`);
  if (problem) return html`<p class="bad">${problem.message}</p>`;
  if (!data) return html`<p class="soft">Asking …</p>`;
  const result = data.result;
  const path = `/api/v1/studies/${encodeURIComponent(uid)}`;
  const facts = [
    ['State', html`<${State} word=${data.state}/>`], ['Why', data.why || '–'], ['From', data.from], ['Revision', data.revision],
    ['Images', data.instances], ['First image', html`<${Time} at=${data.first_arrival}/>`], ['Last image', html`<${Time} at=${data.last_arrival}/>`],
  ];
  if (result) {
    facts.push(['Decision', html`<strong>${data.decision}</strong>`]);
    if (result.probability_of_necrosis !== null) facts.push(['Probability of necrosis', percent(result.probability_of_necrosis)], ['Probability of recurrence', percent(result.probability_of_recurrence)]);
    facts.push(['Bundle', `${result.bundle?.name ?? ''} ${result.bundle?.version ?? ''}`], ['Device', result.device], ['Software', result.software]);
  }
  return html`<section aria-labelledby="study"><p><a href="#/studies">All studies</a></p><h2 id="study">Study <span class="uid">${uid}</span></h2>
    ${identity && html`<${Table} caption="Patients that its images name" empty="Its images name nobody." rows=${(data.patients ?? []).map((p, i) => ({ ...p, key: i }))}
      columns=${[{ name: 'Name', cell: (r) => r.name }, { name: 'ID', cell: (r) => r.id }, { name: 'Born', cell: (r) => r.birth_date }]}/>`}
    ${data.state === 'parked' && html`<${Release} study=${data} say=${say} done=${() => setAsked(asked + 1)}/>`}
    <dl class="cards">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${result?.reasons?.length > 0 && html`<h3>Why it is not evaluable</h3><ul>${result.reasons.map((r) => html`<li>${r.text} <span class="soft">(${r.code})</span></li>`)}</ul>`}
    <div class="actions">
      ${data.state === 'failed' && html`<${Ask} label="Try again" say=${say} ask=${async () => ((await post('/api/v1/retry', { study_uid: uid })).retried ? 'It is tried again.' : 'It cannot be tried again: images have come meanwhile.')}/>`}
      ${data.state === 'reported' && html`<${Ask} label="Evaluate again" say=${say} ask=${async () => { const told = await post(`${path}/rerun`); return { text: told.text, bad: !told.started }; }}/>`}
    </div>
    <h3>Series and their roles</h3>
    <${Table} caption="A role that is used is marked" empty="Not judged yet." rows=${data.series.map((s) => ({ ...s, key: s.series_uid }))}
      columns=${[{ name: 'Role', cell: (r) => html`${r.role}${r.chosen ? html` <strong>(used)</strong>` : ''}` }, { name: 'Sure', number: true, cell: (r) => r.score.toFixed(2) },
    { name: 'Description', cell: (r) => r.description || '–' }, { name: 'Why', cell: (r) => r.why }]}/>
    ${result && html`<h3>Timings</h3><${Table} caption="Of the newest result" empty="–" rows=${Object.entries(data.timings_ms).map(([key, value]) => ({ key, value }))}
      columns=${[{ name: 'Step', cell: (r) => r.key }, { name: 'Time', number: true, cell: (r) => `${Math.round(r.value)} ms` }]}/>`}
    <h3>Outbox</h3>
    <${Table} caption="Newest first" empty="Nothing is to be sent for this study." columns=${outboxColumns(say).filter((c) => c.name !== 'Study')} rows=${data.outbox.map((r) => ({ ...r, key: r.id }))}/>
    ${data.captures.length > 0 && html`<h3>Capture</h3>${data.captures.map((page) => html`<p><${Capture} key=${`${uid}-${page}-${data.revision}`} uid=${uid} page=${page} revision=${data.revision}/></p>`)}`}
  </section>`;
}

export function Outbox({ version, say }) {
  const [state, setState] = useState('');
  const [offset, setOffset] = useState(0);
  const query = new URLSearchParams({ limit: 50, offset });
  if (state) query.set('state', state);
  const { data, problem } = useApi(`/api/v1/outbox?${query}`, version);
  return html`<section aria-labelledby="outbox"><h2 id="outbox">Outbox</h2>
    <form class="filters" onSubmit=${(e) => e.preventDefault()}>
      <${Choice} name="State" value=${state} set=${(v) => { setOffset(0); setState(v); }} any="all" words=${['pending', 'sent', 'confirmed', 'dead', 'parked', 'withdrawn']}/>
    </form>
    ${problem && html`<p class="bad">${problem.message}</p>`}
    ${data && html`<${Table} caption="What was sent and what waits, the newest first" empty="Nothing here." columns=${outboxColumns(say)} rows=${data.outbox.map((r) => ({ ...r, key: r.id }))}/>
      <${Pages} data=${data} offset=${offset} setOffset=${setOffset} what="outbox"/>`}
  </section>`;
}

export function Peers({ version, say }) {
  const [asked, setAsked] = useState(0);
  const { data, problem } = useApi('/api/v1/peers', `${version}-${asked}`);
  const echo = (peer) => async () => {
    const answer = await post(`/api/v1/peers/${encodeURIComponent(peer)}/echo`);
    setAsked((n) => n + 1);
    return { text: `${peer}: ${answer.text}`, bad: !answer.ok };
  };
  const order = (word, peer, done) => async () => {
    await post(`/api/v1/${word}`, { peer });
    setAsked((n) => n + 1);
    return done;
  };
  return html`<section aria-labelledby="peers"><h2 id="peers">Peers</h2>
    ${problem && html`<p class="bad">${problem.message}</p>`}
    ${data && html`<${Table} caption="Who may send, and where results go" empty="No [[peer]] in the configuration: nobody may send." rows=${data.peers.map((p) => ({ ...p, key: p.ae_title }))}
      columns=${[{ name: 'AE title', cell: (r) => html`<strong>${r.ae_title}</strong>` }, { name: 'Address', cell: (r) => (r.configured ? `${r.host}:${r.port}` : 'not in the configuration') },
    { name: 'Results', cell: (r) => (r.paused ? html`<span class="warn">paused</span>` : r.deliver === 'all' ? 'are sent' : 'are not sent') },
    { name: 'Last image', number: true, cell: (r) => html`<${Time} at=${r.last_received}/>` }, { name: 'Last result', number: true, cell: (r) => html`<${Time} at=${r.last_sent}/>` },
    { name: 'Waiting', number: true, cell: (r) => `${r.pending}${r.dead ? `, ${r.dead} refused` : ''}` },
    { name: 'Last echo', cell: (r) => (r.last_echo ? html`<span class=${r.last_echo.ok ? 'good' : 'bad'}>${r.last_echo.text}</span>` : '–') },
    { name: 'Do', cell: (r) => html`<${Ask} label="Echo" name=${`Echo ${r.ae_title}`} ask=${echo(r.ae_title)} say=${say}/>
      ${r.paused ? html` <${Ask} label="Resume" name=${`Resume ${r.ae_title}`} say=${say} ask=${order('resume', r.ae_title, `Results go to ${r.ae_title} again.`)}/>`
    : html` <${Ask} label="Pause" name=${`Pause ${r.ae_title}`} say=${say} ask=${order('pause', r.ae_title, `Nothing is sent to ${r.ae_title} until you resume it.`)}/>`}` }]}/>`}
  </section>`;
}

export function Figures({ version }) {
  const { data, problem } = useApi('/api/v1/site-validation', version);
  const share = (s) => (typeof s?.value === 'number' ? `${percent(s.value)} (${percent(s.interval[0])} to ${percent(s.interval[1])})` : '–');
  // What the node decided, its open and refused cases included: not what a threshold of 0.5 would have given.
  const decided = (bundle, name) => (bundle.too_few ? 'too few cases'
    : `${share(bundle.figures?.by_decision?.decided_only?.[name])} of those decided, ${share(bundle.figures?.by_decision?.all_eligible?.[name])} of all`);
  return html`<section aria-labelledby="figures"><h2 id="figures">Figures of this site</h2>
    <p class="soft">What the node said beside the outcomes that were entered (<code>glionode outcome</code>); one study a patient. The shares are with exact 95 % intervals.</p>
    ${problem && html`<p class="bad">${problem.message}</p>`}
    ${data && html`<${Table} caption="The newest bundle first" empty="No outcome has been entered yet." rows=${data.bundles.map((b) => ({ ...b, key: b.sha256 }))}
      columns=${[{ name: 'Bundle', cell: (r) => `${r.name} ${r.version}` }, { name: 'Reported', number: true, cell: (r) => `${r.reported}${r.withdrawn ? ` (${r.withdrawn} more withdrawn)` : ''}` },
    { name: 'Patients', number: true, cell: (r) => r.patients }, { name: 'With outcome', number: true, cell: (r) => `${r.verified} (${percent(r.share_verified)})` },
    { name: 'Necrosis found', number: true, cell: (r) => decided(r, 'sensitivity') },
    { name: 'Recurrence recognised', number: true, cell: (r) => decided(r, 'specificity') },
    { name: 'How to read it', cell: (r) => r.bias }]}/>`}
  </section>`;
}
