// Serving a Parallax agent without any Go: the handshake of hashicorp/go-plugin, the two services it wants, and
// AgentService of agent.proto. It is one file to copy into an agent of your own.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const { status } = grpc;
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const load = (name) => grpc.loadPackageDefinition(protoLoader.loadSync(here(name), { longs: Number, enums: String, keepCase: true }));

// Failure is an error that says what kind it is, by the codes that agent.proto lists.
class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// BadInput says that the configuration or the input is wrong, and should name the field.
export class BadInput extends Failure {
  constructor(message) { super(status.INVALID_ARGUMENT, message); }
}

// serve runs an agent until its host is gone.
export function serve(agent) {
  if (process.env.PARALLAX_AGENT !== '9f1d64c2-parallax-agent') {
    console.error(`${agent.name} is a Parallax agent and is started by parallax. Name it in parallax.toml:\n\n`
      + `[agents.${agent.name}]\nuse = "plugin"\ncommand = ["node", "${basename(process.argv[1])}"]`);
    process.exit(1);
  }
  console.log = console.error; // the first line of stdout is the handshake, and there is no second one

  // A blob and the socket are in directories of the host's, which nobody else can enter.
  const own = process.env.PLUGIN_UNIX_SOCKET_DIR ? '' : mkdtempSync(join(tmpdir(), 'agent-'));
  const socket = join(own || process.env.PLUGIN_UNIX_SOCKET_DIR, `node-${process.pid}.sock`);
  const end = () => {
    if (own) rmSync(own, { recursive: true, force: true });
    process.exit(0);
  };
  if (process.env.PARALLAX_STDIN_WATCH === '1') process.stdin.on('end', end).resume(); // the host is gone
  process.on('SIGINT', () => {}); // the terminal's Ctrl-C is for the host, which tells us what to do

  const server = new grpc.Server({ 'grpc.max_receive_message_length': 16 << 20 });
  server.addService(load('goplugin/health.proto').grpc.health.v1.Health.service, {
    Check: (_, reply) => reply(null, { status: 'SERVING' }),
  });
  server.addService(load('goplugin/controller.proto').plugin.GRPCController.service, {
    Shutdown: (_, reply) => { reply(null, {}); setImmediate(end); },
  });
  server.addService(load('agent.proto').parallax.agent.v1.AgentService.service, service(agent));
  server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (err) => {
    if (err) throw err;
    process.stdout.write(`1|1|unix|${socket}|grpc|\n`);
  });
}

// service is AgentService. Sessions are configurations that share this process.
function service(agent) {
  const sessions = new Map();
  return {
    Describe: unary(() => ({
      name: agent.name,
      version: agent.version,
      description: agent.description,
      skills: agent.skills.map((s) => ({
        name: s.name, description: s.description, input_schema: json(s.inputSchema), output_schema: json(s.outputSchema),
      })),
      config_schema: json(agent.configSchema),
      capabilities: agent.capabilities,
    })),

    Open: unary(async ({ session_id: id, config, secrets, workdir, blob_dir: blobs }) => {
      const session = await agent.open(config.length ? parse(config, 'configuration') : {}, { secrets, workdir });
      closeSession(sessions, id); // opening a session again replaces it
      sessions.set(id, { ...session, blobs, calls: new Set() });
      return { detail: session.detail ?? '' };
    }),

    Run: (stream) => run(agent, sessions, stream),

    Answer: unary(() => { throw new Failure(status.NOT_FOUND, 'nobody asked: this agent has no questions'); }),

    Close: unary(({ session_id: id }) => { closeSession(sessions, id); return {}; }),
  };
}

async function run(agent, sessions, stream) {
  const req = stream.request;
  const session = sessions.get(req.session_id);
  const abort = new AbortController();
  stream.on('cancelled', () => abort.abort());
  session?.calls.add(abort);
  try {
    if (!session) throw new Failure(status.NOT_FOUND, `no session ${req.session_id}`);
    if (req.skill && !agent.skills.some((s) => s.name === req.skill)) {
      throw new Failure(status.NOT_FOUND, `no skill ${req.skill}`);
    }
    const answer = await agent.run({
      session,
      task: req.task,
      input: parse(await unpack(session, req.input), 'input'),
      signal: abort.signal,
      delta: (text) => stream.write({ delta: { text } }),
      progress: (fraction, note) => stream.write({ progress: { fraction, note } }),
    });
    const result = { output: { json: json(answer.output) }, reasoning: answer.reasoning ?? '', finish_reason: 'stop' };
    if (answer.confidence !== undefined) {
      Object.assign(result, { confidence: answer.confidence, confidence_basis: answer.basis ?? 'self_report' });
    }
    stream.write({ result });
    stream.end();
  } catch (err) {
    stream.emit('error', failure(abort.signal.aborted ? new Failure(status.CANCELLED, 'cancelled') : err));
  } finally {
    session?.calls.delete(abort);
  }
}

function closeSession(sessions, id) {
  for (const call of sessions.get(id)?.calls ?? []) call.abort();
  sessions.delete(id);
}

const unary = (fn) => async (call, reply) => {
  try {
    reply(null, await fn(call.request));
  } catch (err) {
    reply(failure(err));
  }
};

const json = (value) => Buffer.from(JSON.stringify(value));

// parse reads a JSON object.
function parse(bytes, what) {
  let value;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (err) {
    throw new BadInput(`the ${what} is no JSON: ${err.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new BadInput(`the ${what} is no JSON object`);
  return value;
}

// unpack gives the bytes of a Value; a large one comes as a file that the receiver checks and removes.
async function unpack({ blobs }, value) {
  if (!value?.blob) return value?.json ?? Buffer.from('{}');
  const path = join(blobs, basename(value.blob.path));
  const bytes = readFileSync(path);
  unlinkSync(path);
  if (createHash('sha256').update(bytes).digest('hex') !== value.blob.sha256) {
    throw new BadInput(`blob ${value.blob.path} is not what its sha256 says`);
  }
  return bytes;
}

// failure is an error as gRPC sends it. What is no Failure is a bug, and its stack goes to the host's log.
function failure(err) {
  if (err instanceof Failure) return { code: err.code, details: err.message };
  console.error(err.stack);
  return { code: status.INTERNAL, details: err.message };
}
