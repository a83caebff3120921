// Serves a Parallax agent: the handshake, the two services that the host wants besides, and AgentService of agent.proto.
// Agents import it first, so that nothing they print gets between them and the host. It is yours to change, and is replaced by
// that of a newer `parallax plugin new` as it is.

import { createHash, randomUUID } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [{ default: grpc }, { default: protoLoader }] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')]).catch((missing) => {
  if (missing.code !== 'ERR_MODULE_NOT_FOUND') throw missing;
  console.error(`${missing.message}: install what package-lock.json names: npm ci --ignore-scripts`);
  process.exit(1);
});

const { status } = grpc;
const inlineBytes = 256 << 10; // of a value; a larger one is a blob
const flushAfter = 15; // ms that text waits for more
const flushBytes = 4096;
const hosted = process.env.PARALLAX_AGENT === '9f1d64c2-parallax-agent';

// The host reads one line from stdout; whatever else is printed there goes to stderr, which is the host's log.
if (hosted) Object.defineProperty(process, 'stdout', { get: () => process.stderr });

/** An error that says what the host should do about it. Its makers are below; any other error is a bug in the agent. */
export class AgentError extends Error {
  constructor(status, message, { code = '', hint = '', fields = {}, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, hint, fields, retryAfter });
  }
}

const kind = (code) => (message, more) => new AgentError(code, message, more);

/** The input, or in open the configuration, is wrong: badInput('min is -1', { fields: { min: 'negative' } }). */
export const badInput = kind(status.INVALID_ARGUMENT);
/** The agent understood and will not, or cannot, do it. Asking again does not help. */
export const refuse = kind(status.FAILED_PRECONDITION);
/** Something that the input names does not exist. */
export const notFound = kind(status.NOT_FOUND);
/** Something that the agent needs is not there now; retryAfter is in milliseconds. */
export const unavailable = kind(status.UNAVAILABLE);
/** A rate limit or quota is reached; retryAfter is in milliseconds. */
export const overloaded = kind(status.RESOURCE_EXHAUSTED);
/** Something that the agent waited for did not answer in time. */
export const timedOut = kind(status.DEADLINE_EXCEEDED);

/** Runs an agent until its host is gone. */
export function serve(agent) {
  if (!hosted) {
    console.error(`${agent.name} is a Parallax agent and is started by parallax. Name it in parallax.toml:\n\n`
      + `[agents.${agent.name}]\nuse = "plugin"\ncommand = ["node", ${JSON.stringify(process.argv[1])}]`);
    process.exit(1);
  }
  const given = process.env.PLUGIN_UNIX_SOCKET_DIR;
  const dir = given || mkdtempSync(join(tmpdir(), 'agent-')); // of the host's, which nobody else can enter
  const socket = join(dir, `node-${process.pid}.sock`);
  const sessions = new Map();
  const end = async () => {
    setTimeout(() => process.exit(0), 1000).unref();
    await Promise.all([...sessions.keys()].map((id) => closeSession(sessions, id)));
    if (!given) rmSync(dir, { recursive: true, force: true });
    process.exit(0);
  };
  if (process.env.PARALLAX_STDIN_WATCH === '1') process.stdin.on('end', end).on('error', end).resume(); // the host is gone
  process.on('SIGINT', () => {}); // the terminal's Ctrl-C is for the host, which says what to do

  const server = new grpc.Server({ 'grpc.max_receive_message_length': 16 << 20 });
  server.addService({ Check: plain('/grpc.health.v1.Health/Check') }, { Check: (_, reply) => reply(null, Buffer.from([8, 1])) }); // SERVING
  server.addService({ Shutdown: plain('/plugin.GRPCController/Shutdown') }, {
    Shutdown: (_, reply) => { reply(null, Buffer.alloc(0)); setImmediate(end); },
  });
  server.addService(protocol().parallax.agent.v1.AgentService.service, service(agent, sessions));
  server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (err) => {
    if (err) throw err;
    handshake(`1|1|unix|${socket}|grpc|\n`);
  });
}

/** Asks an agent without a host, for tests: await ask(agent, { config, input, secrets, skill, task }). */
export async function ask(agent, { config = {}, input = {}, secrets = {}, skill = '', task = '', signal } = {}) {
  const session = await open(agent, { session_id: 'test', agent: agent.name, config: json(config), secrets });
  const call = new Call(session, { skill, task, input: { json: json(input) } }, () => true);
  signal?.addEventListener('abort', () => call.abort.abort());
  const output = await answer(agent, call);
  return { output, text: call.text, ...call.result, usage: call.used };
}

// plain is a method whose messages are handled as bytes.
function plain(path) {
  const same = (bytes) => bytes;
  return { path, requestStream: false, responseStream: false,
    requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
}

function protocol() {
  const file = fileURLToPath(new URL('agent.proto', import.meta.url));
  return grpc.loadPackageDefinition(protoLoader.loadSync(file, { longs: Number, enums: String, keepCase: true }));
}

// handshake writes the one line, and makes stderr of stdout, for the programs that the agent starts.
function handshake(line) {
  writeSync(1, line);
  try {
    const spare = openSync('/dev/stderr', 'w');
    closeSync(1);
    openSync('/dev/stderr', 'w'); // takes the lowest number that is free
    closeSync(spare);
  } catch { /* where it cannot be opened, programs should be started with their own stdio */ }
}

// service is AgentService. Sessions are configurations that share this process.
function service(agent, sessions) {
  return {
    Describe: unary(() => ({
      name: agent.name,
      version: agent.version,
      description: agent.description,
      skills: Object.entries(agent.skills).map(([name, s]) => ({
        name, description: s.description, input_schema: json(s.input), output_schema: json(s.output),
      })),
      config_schema: json(agent.config),
      capabilities: agent.capabilities,
    })),

    Open: unary(async (request) => {
      const session = await open(agent, request);
      await closeSession(sessions, request.session_id); // opening a session again replaces it
      sessions.set(request.session_id, session);
      return { detail: session.detail };
    }),

    Run: (stream) => run(agent, sessions, stream),

    Answer: unary(() => { throw notFound('nobody asked: this agent has no questions'); }),

    Close: unary(async ({ session_id: id }) => { await closeSession(sessions, id); return {}; }),
  };
}

async function open(agent, { agent: name, config, secrets, workdir, blob_dir: blobs }) {
  const session = { name, secrets: secrets ?? {}, workdir, blobs, detail: '', calls: new Set() };
  session.config = parse(config?.length ? config : '{}', 'configuration');
  check(agent.config, session.config, '');
  session.state = await agent.open?.(session);
  return session;
}

async function closeSession(sessions, id) {
  const session = sessions.get(id);
  sessions.delete(id);
  if (!session) return;
  for (const call of session.calls) call.abort.abort();
  await Promise.all([...session.calls].map((call) => call.done));
}

// Call is one attempt at one call.
class Call {
  constructor(session, request, send) {
    this.session = session;
    this.request = request;
    this.send = send;
    this.abort = new AbortController();
    this.result = { finish_reason: 'stop' };
    this.waiting = '';
    this.text = '';
  }

  /** The settings of this agent in parallax.toml. */
  get config() { return this.session.config; }
  /** What open returned. */
  get state() { return this.session.state; }
  /** What to do, in words. */
  get task() { return this.request.task; }
  /** The same over attempts and replays: use it as idempotency key. */
  get id() { return this.request.call_id; }
  /** Why the previous answer to this question was refused, or ''. */
  get feedback() { return this.request.feedback; }
  /** The JSON Schema that the answer has to satisfy, or undefined. */
  get outputSchema() { return this.request.output_schema?.length ? JSON.parse(this.request.output_schema) : undefined; }
  /** An AbortSignal: the pattern no longer wants the answer. Pass it on to whatever takes long. */
  get signal() { return this.abort.signal; }

  /** The value of a secret that parallax.toml grants to this agent, or undefined. */
  secret(name) { return this.session.secrets[name]; }

  /** Earlier messages of the conversation, oldest first: { role, content }. */
  messages() { return this.request.messages ? JSON.parse(unpack(this.session, this.request.messages)) : []; }

  /** Shows the next piece of the answer's text. Pieces may be as small as they come; await it when there are many. */
  async emit(text) {
    this.text += text;
    this.waiting += text;
    if (Buffer.byteLength(this.waiting) >= flushBytes) await this.flush();
    else this.timer ??= setTimeout(() => this.flush(), flushAfter);
  }

  /** Says what the agent is doing and how much of it is done, 0..1. */
  progress(fraction, note = '') { return this.put({ progress: { fraction, note } }); }

  /** Says what the call has cost so far, all in all: { inputTokens, outputTokens, costMicroUSD, model, steps }. */
  usage({ inputTokens = 0, outputTokens = 0, cachedTokens = 0, reasoningTokens = 0, costMicroUSD = 0, model = '', steps = 0 }) {
    this.used = { input_tokens: inputTokens, output_tokens: outputTokens, cached_tokens: cachedTokens,
      reasoning_tokens: reasoningTokens, cost_microusd: costMicroUSD, model, steps };
    return this.put({ usage: this.used });
  }

  /** States how sure the answer is, 0..1, and by what: 'self_report', 'logprob' or 'verifier'. Without it none is stated. */
  confidence(value, basis = 'self_report') {
    Object.assign(this.result, { confidence: Math.min(Math.max(value, 0), 1), confidence_basis: basis });
  }

  /** Says why the answer is what it is, for people. */
  reasoning(text) { this.result.reasoning = text; }

  /** Says why the answer ended: 'stop', 'length', 'refusal' or 'budget'. */
  finish(reason) { this.result.finish_reason = reason; }

  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.waiting === '') return undefined;
    const text = this.waiting;
    this.waiting = '';
    return this.send({ delta: { text } });
  }

  put(event) {
    this.flush();
    return this.send(event);
  }
}

async function run(agent, sessions, stream) {
  const session = sessions.get(stream.request.session_id);
  if (!session) return stream.emit('error', failure(notFound(`no session ${stream.request.session_id}; open it first`)));
  let over = false;
  const send = (event) => over || stream.write(event) || new Promise((go) => {
    for (const name of ['drain', 'close', 'cancelled']) stream.once(name, go);
  });
  const call = new Call(session, stream.request, send);
  let finished;
  call.done = new Promise((resolve) => { finished = resolve; });
  session.calls.add(call);
  stream.on('cancelled', () => call.abort.abort());
  try {
    const output = await answer(agent, call);
    call.put({ result: { ...call.result, output: pack(session, json(output)) } });
    over = true;
    stream.end();
  } catch (err) {
    over = true;
    stream.emit('error', failure(call.signal.aborted ? new AgentError(status.CANCELLED, 'cancelled') : err));
  } finally {
    clearTimeout(call.timer);
    session.calls.delete(call);
    finished();
  }
}

// answer lets the skill that is meant answer a call: the named one, else the one whose name is the task, else the first.
async function answer(agent, call) {
  const input = parse(unpack(call.session, call.request.input), 'input');
  const names = Object.keys(agent.skills);
  const { skill: wanted, task } = call.request;
  if (wanted && names.length > 1 && !names.includes(wanted)) throw notFound(`${agent.name} has no skill ${wanted}; it has ${names.join(', ')}`);
  const skill = agent.skills[names.includes(wanted) ? wanted : names.includes(task) ? task : names[0]];
  check(skill.input, input, '');
  const output = await skill.run(call, input);
  call.signal.throwIfAborted();
  return output === undefined ? null : output;
}

const unary = (fn) => async (call, reply) => {
  try {
    reply(null, await fn(call.request));
  } catch (err) {
    reply(failure(err));
  }
};

const json = (value) => Buffer.from(JSON.stringify(value ?? null));

// parse reads a JSON object.
function parse(bytes, what) {
  let value;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (err) {
    throw badInput(`the ${what} is no JSON: ${err.message}`);
  }
  if (kindOf(value) !== 'object') throw badInput(`the ${what} is no JSON object`);
  return value;
}

function kindOf(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

// check refuses what does not fit a schema: its types, required and further properties, items, enums, bounds.
function check(schema, value, at) {
  if (!schema || typeof schema !== 'object') return;
  const wrong = (what) => badInput(`${at ? `${at}: ` : ''}${what}`, { fields: { [at || 'input']: what } });
  const is = kindOf(value);
  const types = [schema.type ?? []].flat();
  if (types.length && !types.includes(is) && !(is === 'integer' && types.includes('number'))) throw wrong(`${is} is not ${types.join(' or ')}`);
  if (schema.enum && !schema.enum.some((e) => JSON.stringify(e) === JSON.stringify(value))) throw wrong(`want one of ${JSON.stringify(schema.enum)}`);
  if (value < schema.minimum) throw wrong(`${value} is less than ${schema.minimum}`);
  if (value > schema.maximum) throw wrong(`${value} is more than ${schema.maximum}`);
  if (is === 'array') value.forEach((item, i) => check(schema.items, item, `${at}[${i}]`));
  if (is !== 'object') return;
  const known = schema.properties ?? {};
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) throw wrong(`${name} is missing`);
  for (const [name, item] of Object.entries(value)) {
    if (Object.hasOwn(known, name)) check(known[name], item, at ? `${at}.${name}` : name);
    else if (schema.additionalProperties === false) throw wrong(`there is no ${name}; there is ${Object.keys(known).join(', ') || 'nothing'}`);
  }
}

// pack makes a Value of JSON text: a blob, if it is large.
function pack({ blobs }, text) {
  if (text.length <= inlineBytes || !blobs) return { json: text };
  const path = `node-${randomUUID()}`;
  writeFileSync(join(blobs, path), text, { flag: 'wx', mode: 0o600 });
  return { blob: { path, size: text.length, sha256: createHash('sha256').update(text).digest('hex'), media_type: 'application/json' } };
}

// unpack gives the text of a Value. A blob is a file in the host's directory, which its receiver checks and removes.
function unpack({ blobs }, value) {
  if (!value?.blob) return value?.json ?? Buffer.from('{}');
  const { path, sha256 } = value.blob;
  if (!blobs || path !== basename(path) || path.startsWith('.')) throw badInput(`${JSON.stringify(path)} is no blob`);
  const file = join(blobs, path);
  let text;
  try {
    const fd = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    try { text = readFileSync(fd); } finally { closeSync(fd); }
  } catch (err) {
    throw badInput(`cannot read blob ${path}: ${err.code}`);
  }
  unlinkSync(file);
  if (createHash('sha256').update(text).digest('hex') !== sha256) throw badInput(`blob ${path} is not what its sha256 says`);
  return text;
}

// failure is an error as gRPC sends it: a status, and an AgentError as its detail.
function failure(err) {
  let e = err;
  if (!(e instanceof AgentError)) {
    console.error(e?.stack ?? e);
    e = new AgentError(status.INTERNAL, String(e?.message ?? e), { hint: "this is a bug in the agent; its stack is in the agent's log" });
  }
  const retryable = [status.UNAVAILABLE, status.RESOURCE_EXHAUSTED, status.DEADLINE_EXCEEDED].includes(e.status);
  const fields = Object.entries(e.fields).map(([name, what]) => [4, message([1, name], [2, String(what)])]);
  const details = [any('parallax.agent.v1.AgentError', message([1, e.code], [2, retryable], [3, e.hint], ...fields))];
  if (e.retryAfter > 0) {
    const wait = message([1, Math.floor(e.retryAfter / 1000)], [2, Math.round(e.retryAfter % 1000) * 1e6]);
    details.push(any('google.rpc.RetryInfo', message([1, wait])));
  }
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', message([1, e.status], [2, e.message], ...details.map((d) => [3, d])));
  return { code: e.status, details: e.message, metadata };
}

const any = (type, value) => message([1, `type.googleapis.com/${type}`], [2, value]);

// message is a protobuf message of numbers, booleans, texts and messages.
function message(...fields) {
  return Buffer.concat(fields.flatMap(([number, value]) => {
    if (typeof value === 'number' || typeof value === 'boolean') return [varint(number << 3), varint(Number(value))];
    const bytes = Buffer.from(value);
    return [varint((number << 3) | 2), varint(bytes.length), bytes];
  }));
}

function varint(n) {
  const bytes = [];
  for (; n > 127; n = Math.floor(n / 128)) bytes.push((n % 128) | 128);
  return Buffer.from([...bytes, n]);
}
