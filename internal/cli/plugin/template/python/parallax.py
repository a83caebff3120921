"""Serves a Parallax agent: the handshake, the two services that the host wants besides, and AgentService of agent.proto.

Agents import it first, so that nothing they print gets between them and the host. It is yours to change, and is replaced by that
of a newer `parallax plugin new` as it is. It needs Python 3.9 and grpcio with protobuf, from Debian 12 (python3-grpcio) or newer.
"""

import hashlib
import json
import os
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback
import uuid
from concurrent import futures

_HOSTED = os.environ.get("PARALLAX_AGENT") == "9f1d64c2-parallax-agent"

# The host reads one line from stdout; whatever else is printed there, also by programs that the agent starts, goes to stderr,
# which is the host's log.
_stdout = -1
if _HOSTED:
    _stdout = os.dup(1)
    os.dup2(2, 1)

try:
    import grpc
    from google.protobuf import descriptor_pool, message_factory
except ImportError as missing:
    sys.exit(f"{missing}: install grpcio and protobuf, for example by: apt-get install python3-grpcio python3-protobuf")

_INLINE = 256 << 10  # bytes of a value; a larger one is a blob
_FLUSH_AFTER = 0.015  # seconds that text waits for more
_FLUSH_SIZE = 4096
_CALLS = 1024  # at a time; each has a thread
_STATUS = grpc.StatusCode


class AgentError(Exception):
    """Says what the host should do about it. Its makers are below; any other exception is a bug in the agent."""

    def __init__(self, status, message, code="", hint="", fields=None, retry_after=0):
        super().__init__(message)
        self.status, self.message, self.code, self.hint = status, message, code, hint
        self.fields, self.retry_after = fields or {}, retry_after


def bad_input(message, **more):
    """The input, or in open the configuration, is wrong: raise bad_input("min is -1", fields={"min": "negative"})."""
    return AgentError(_STATUS.INVALID_ARGUMENT, message, **more)


def refuse(message, **more):
    """The agent understood and will not, or cannot, do it. Asking again does not help."""
    return AgentError(_STATUS.FAILED_PRECONDITION, message, **more)


def not_found(message, **more):
    """Something that the input names does not exist."""
    return AgentError(_STATUS.NOT_FOUND, message, **more)


def unavailable(message, **more):
    """Something that the agent needs is not there now; retry_after is in seconds."""
    return AgentError(_STATUS.UNAVAILABLE, message, **more)


def overloaded(message, **more):
    """A rate limit or quota is reached; retry_after is in seconds."""
    return AgentError(_STATUS.RESOURCE_EXHAUSTED, message, **more)


def timed_out(message, **more):
    """Something that the agent waited for did not answer in time."""
    return AgentError(_STATUS.DEADLINE_EXCEEDED, message, **more)


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


class Skill:
    """One thing that an agent can do: run(call, input) gives the output. Schemas are JSON Schemas as dicts."""

    def __init__(self, run, description="", input=None, output=None):
        self.run, self.description, self.input, self.output = run, description, input, output


class Agent:
    """What an agent is. open(session) is called once for each agent in parallax.toml; what it returns is call.state.

    capabilities are those of agent.proto: streaming, deterministic, idempotent, at_most_once, max_concurrency.
    """

    def __init__(self, name, version, description, skills, config=None, open=None, capabilities=None):
        self.name, self.version, self.description, self.skills = name, version, description, skills
        self.config, self.open, self.capabilities = config, open, capabilities or {}


class Session:
    """A configured agent: many share one process."""

    def __init__(self, name="", config=None, secrets=None, workdir="", blobs=""):
        self.name, self.config, self.secrets, self.workdir = name, config or {}, secrets or {}, workdir
        self.detail = ""  # for people: what the session is bound to, such as an address
        self.state = None
        self._blobs = blobs
        self._calls = set()
        self._lock = threading.Lock()

    def _end(self):
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()
        for call in calls:
            call._done.wait()


class Call:
    """One attempt at one call. Its methods may be used by several threads."""

    def __init__(self, session, request=None, task="", skill=""):
        self._session, self._request = session, request
        self.task = request.task if request else task  # what to do, in words
        self.id = request.call_id if request else ""  # the same over attempts and replays: an idempotency key
        self.feedback = request.feedback if request else ""  # why the previous answer to this question was refused
        self.skill = request.skill if request else skill
        self.cancelled = threading.Event()  # is set when the pattern no longer wants the answer
        self.text = ""  # what was emitted
        self.used = None  # the last usage
        self.result = {"finish_reason": "stop"}
        self._events = queue.Queue(maxsize=1000)
        self._done = threading.Event()

    @property
    def config(self):
        """The settings of this agent in parallax.toml."""
        return self._session.config

    @property
    def state(self):
        """What open returned."""
        return self._session.state

    @property
    def output_schema(self):
        """The JSON Schema that the answer has to satisfy, or None."""
        return json.loads(self._request.output_schema) if self._request and self._request.output_schema else None

    def messages(self):
        """Earlier messages of the conversation, oldest first: dicts with role and content."""
        if not self._request or not self._request.HasField("messages"):
            return []
        return json.loads(_unpack(self._session, self._request.messages))

    def secret(self, name):
        """The value of a secret that parallax.toml grants to this agent, or None."""
        return self._session.secrets.get(name)

    def check(self):
        """Ends the call here if nobody waits for its answer any more. Work that takes long calls it now and then."""
        if self.cancelled.is_set():
            raise Cancelled()

    def cancel(self):
        self.cancelled.set()

    def emit(self, text):
        """Shows the next piece of the answer's text. Pieces may be as small as they come."""
        self.text += text
        self._put(("delta", text))

    def progress(self, fraction, note=""):
        """Says what the agent is doing and how much of it is done, 0..1."""
        self._put(("progress", {"fraction": fraction, "note": note}))

    def usage(self, **used):
        """Says what the call has cost so far, all in all: input_tokens, output_tokens, cost_microusd, model, steps."""
        self.used = used
        self._put(("usage", used))

    def confidence(self, value, basis="self_report"):
        """States how sure the answer is, 0..1, and by what: self_report, logprob or verifier. Without it none is stated."""
        self.result.update(confidence=min(max(value, 0), 1), confidence_basis=basis)

    def reasoning(self, text):
        """Says why the answer is what it is, for people."""
        self.result["reasoning"] = text

    def finish(self, reason):
        """Says why the answer ended: stop, length, refusal or budget."""
        self.result["finish_reason"] = reason

    def _put(self, event):
        while self._request is not None:  # in a test nobody takes events
            self.check()
            try:
                return self._events.put(event, timeout=0.1)
            except queue.Full:
                pass


class Answer:
    """What ask gives."""

    def __init__(self, output, call):
        self.output, self.text, self.usage = output, call.text, call.used
        self.confidence, self.reasoning = call.result.get("confidence"), call.result.get("reasoning", "")


def ask(agent, input, config=None, secrets=None, skill="", task=""):
    """Asks an agent without a host, for tests."""
    session = _open(agent, Session(agent.name, config, secrets))
    call = Call(session, task=task, skill=skill)
    return Answer(_answer(agent, call, json.loads(json.dumps(input))), call)


def serve(agent):
    """Runs an agent until its host is gone."""
    if not _HOSTED:
        sys.exit(
            f"{agent.name} is a Parallax agent and is started by parallax. Name it in parallax.toml:\n\n"
            f'[agents.{agent.name}]\nuse = "plugin"\ncommand = ["python3", {json.dumps(os.path.abspath(sys.argv[0]))}]'
        )
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the host, which says what to do
    given = os.environ.get("PLUGIN_UNIX_SOCKET_DIR")  # of the host's, which nobody else can enter
    path = os.path.join(given or tempfile.mkdtemp(prefix="agent-"), f"python-{os.getpid()}.sock")
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_CALLS), options=[("grpc.max_receive_message_length", 16 << 20)]
    )
    service = _Service(agent)

    def end():
        watchdog = threading.Timer(1, os._exit, [0])
        watchdog.daemon = True
        watchdog.start()
        server.stop(0.5)
        service.end()
        if not given:
            os.unlink(path)
            os.rmdir(os.path.dirname(path))
        os._exit(0)

    server.add_generic_rpc_handlers((service.handlers(end),))
    server.add_insecure_port("unix:" + path)
    server.start()
    if os.environ.get("PARALLAX_STDIN_WATCH") == "1":
        threading.Thread(target=_watch, args=[end], daemon=True).start()
    os.write(_stdout, f"1|1|unix|{path}|grpc|\n".encode())
    os.close(_stdout)
    server.wait_for_termination()
    time.sleep(2)  # end ends the process


def _watch(end):
    """Ends the agent when its host is gone."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    end()


def _protocol():
    """Makes the messages of agent.proto from its compiled form, so that no code is generated."""
    pool = descriptor_pool.DescriptorPool()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent.binpb"), "rb") as f:
        pool.AddSerializedFile(f.read())
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4.22 and later
        make = message_factory.GetMessageClass
    else:
        make = message_factory.MessageFactory(pool).GetPrototype

    class Messages:
        def __getattr__(self, name):
            made = make(pool.FindMessageTypeByName("parallax.agent.v1." + name))
            setattr(self, name, made)
            return made

    return Messages()


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, methods):
        self.methods = methods

    def service(self, details):
        return self.methods.get(details.method)


class _Service:
    """AgentService. Sessions are configurations that share this process."""

    def __init__(self, agent):
        self.agent, self.pb = agent, _protocol()
        self.sessions, self.lock = {}, threading.Lock()

    def handlers(self, end):
        def shutdown(_request, _context):
            threading.Timer(0.01, end).start()  # after the answer
            return b""

        methods = {
            "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\x08\x01"),  # SERVING
            "/plugin.GRPCController/Shutdown": grpc.unary_unary_rpc_method_handler(shutdown),
        }
        for name in ("Describe", "Open", "Close", "Answer", "Run"):
            request = getattr(self.pb, name + "Request")
            of = grpc.unary_stream_rpc_method_handler if name == "Run" else grpc.unary_unary_rpc_method_handler
            methods["/parallax.agent.v1.AgentService/" + name] = of(
                getattr(self, name) if name == "Run" else self._unary(getattr(self, name)),
                request_deserializer=request.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
        return _Handlers(methods)

    @staticmethod
    def _unary(fn):
        def handle(request, context):
            try:
                return fn(request)
            except Exception as err:  # of any kind: the host is told
                _fail(context, err)

        return handle

    def end(self):
        with self.lock:
            all, self.sessions = self.sessions, {}
        for session in all.values():
            session._end()

    def Describe(self, _request):
        a = self.agent
        return self.pb.DescribeResponse(
            name=a.name,
            version=a.version,
            description=a.description,
            config_schema=_json(a.config),
            capabilities=self.pb.Capabilities(**a.capabilities),
            skills=[
                self.pb.Skill(name=name, description=s.description, input_schema=_json(s.input), output_schema=_json(s.output))
                for name, s in a.skills.items()
            ],
        )

    def Open(self, request):
        config = _parse(request.config or b"{}", "configuration")
        session = Session(request.agent, config, dict(request.secrets), request.workdir, request.blob_dir)
        _open(self.agent, session)
        with self.lock:
            old = self.sessions.get(request.session_id)  # opening a session again replaces it
            self.sessions[request.session_id] = session
        if old:
            old._end()
        return self.pb.OpenResponse(detail=session.detail)

    def Close(self, request):
        with self.lock:
            session = self.sessions.pop(request.session_id, None)
        if session:
            session._end()
        return self.pb.CloseResponse()

    def Answer(self, _request):
        raise not_found("nobody asked: this agent has no questions")

    def Run(self, request, context):
        with self.lock:
            session = self.sessions.get(request.session_id)
        if not session:
            _fail(context, not_found(f"no session {request.session_id}; open it first"))
        call = Call(session, request)
        with session._lock:
            session._calls.add(call)
        if not context.add_callback(call.cancel):
            call.cancel()
        threading.Thread(target=self._work, args=[call], daemon=True).start()
        failure = yield from self._events(call)
        if failure is not None:
            _fail(context, Cancelled() if call.cancelled.is_set() else failure)

    def _work(self, call):
        """Lets the agent answer, and ends the call's events with a result or an exception."""
        try:
            session = call._session
            call.check()
            output = _answer(self.agent, call, _parse(_unpack(session, call._request.input), "input"))
            call.check()
            last = ("result", dict(call.result, output=self._pack(session, _json(output, allow_none=True))))
        except Exception as err:
            last = ("failure", err)
        with call._session._lock:
            call._session._calls.discard(call)
        call._done.set()
        try:
            call._events.put(last, timeout=None if not call.cancelled.is_set() else 1)
        except queue.Full:
            pass  # nobody listens any more

    def _events(self, call):
        """Gives the events of a call as messages, text gathered. It returns an exception if that is how the call ended."""
        waiting, until = [], 0.0
        while True:
            try:
                kind, value = call._events.get(timeout=max(until - time.monotonic(), 0) if waiting else None)
            except queue.Empty:
                kind, value = "", None
            if kind == "delta":
                until = until if waiting else time.monotonic() + _FLUSH_AFTER
                waiting.append(value)
                if sum(map(len, waiting)) < _FLUSH_SIZE:
                    continue
            if waiting:
                yield self.pb.RunEvent(delta=self.pb.Delta(text=_text("".join(waiting))))
                waiting = []
            if kind == "failure":
                return value
            if kind == "result":
                yield self.pb.RunEvent(result=self.pb.Result(**value))
                return None
            if kind == "progress":
                yield self.pb.RunEvent(progress=self.pb.Progress(**value))
            if kind == "usage":
                yield self.pb.RunEvent(usage=self.pb.Usage(**value))

    def _pack(self, session, text):
        """Makes a Value of JSON text: a blob, if it is large."""
        if len(text) <= _INLINE or not session._blobs:
            return self.pb.Value(json=text)
        name = f"python-{uuid.uuid4()}"
        fd = os.open(os.path.join(session._blobs, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as f:
            f.write(text)
        sum = hashlib.sha256(text).hexdigest()
        return self.pb.Value(blob=self.pb.Blob(path=name, size=len(text), sha256=sum, media_type="application/json"))


def _open(agent, session):
    _check(agent.config, session.config, "")
    if agent.open:
        session.state = agent.open(session)
    return session


def _answer(agent, call, input):
    """Lets the skill that is meant answer: the named one, else the one whose name is the task, else the first."""
    names = list(agent.skills)
    if call.skill and len(names) > 1 and call.skill not in names:
        raise not_found(f"{agent.name} has no skill {call.skill}; it has {', '.join(names)}")
    name = next((n for n in (call.skill, call.task) if n in names), names[0])
    _check(agent.skills[name].input, input, "")
    return agent.skills[name].run(call, input)


def _json(value, allow_none=False):
    if value is None and not allow_none:
        return b""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _parse(text, what):
    """Reads a JSON object."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as err:
        raise bad_input(f"the {what} is no JSON: {err}") from err
    if not isinstance(value, dict):
        raise bad_input(f"the {what} is no JSON object")
    return value


def _no_number(word):
    raise ValueError(f"{word} is no number in JSON")


def _unpack(session, value):
    """Gives the text of a Value. A blob is a file in the host's directory, which its receiver checks and removes."""
    if value.WhichOneof("kind") != "blob":
        return value.json or b"{}"
    name = value.blob.path
    if not session._blobs or not name or name != os.path.basename(name) or name.startswith("."):
        raise bad_input(f"{name!r} is no blob")
    path = os.path.join(session._blobs, name)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as f:
            text = f.read()
    except OSError as err:
        raise bad_input(f"cannot read blob {name}: {err.strerror}") from err
    os.unlink(path)
    if hashlib.sha256(text).hexdigest() != value.blob.sha256:
        raise bad_input(f"blob {name} is not what its sha256 says")
    return text


_KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _check(schema, value, at):
    """Refuses what does not fit a schema: its types, required and further properties, items, enums, bounds."""
    if not isinstance(schema, dict):
        return

    def wrong(what):
        return bad_input(f"{at}: {what}" if at else what, fields={at or "input": what})

    kind = _KINDS[type(value)]
    if kind == "number" and value.is_integer():
        kind = "integer"
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if types and kind not in types and not (kind == "integer" and "number" in types):
        raise wrong(f"{kind} is not {' or '.join(types)}")
    if "enum" in schema and value not in schema["enum"]:
        raise wrong(f"want one of {json.dumps(schema['enum'])}")
    if kind in ("integer", "number"):
        if value < schema.get("minimum", value):
            raise wrong(f"{value} is less than {schema['minimum']}")
        if value > schema.get("maximum", value):
            raise wrong(f"{value} is more than {schema['maximum']}")
    if kind == "array":
        for i, item in enumerate(value):
            _check(schema.get("items"), item, f"{at}[{i}]")
    if kind != "object":
        return
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            raise wrong(f"{name} is missing")
    for name, item in value.items():
        if name in known:
            _check(known[name], item, f"{at}.{name}" if at else name)
        elif schema.get("additionalProperties") is False:
            raise wrong(f"there is no {name}; there is {', '.join(known) or 'nothing'}")


def _text(s):
    return s.encode("utf-8", "replace").decode("utf-8")


def _fail(context, err):
    """Ends a call as gRPC sends errors: by a status, and an AgentError as its detail."""
    if isinstance(err, Cancelled):
        context.abort(_STATUS.CANCELLED, "cancelled")
    if not isinstance(err, AgentError):
        traceback.print_exception(type(err), err, err.__traceback__)
        err = AgentError(_STATUS.INTERNAL, str(err) or type(err).__name__, hint="this is a bug in the agent; its stack is in the agent's log")
    retryable = err.status in (_STATUS.UNAVAILABLE, _STATUS.RESOURCE_EXHAUSTED, _STATUS.DEADLINE_EXCEEDED)
    fields = [(4, _message((1, name), (2, str(what)))) for name, what in err.fields.items()]
    details = [_any("parallax.agent.v1.AgentError", _message((1, err.code), (2, retryable), (3, err.hint), *fields))]
    if err.retry_after > 0:
        wait = _message((1, int(err.retry_after)), (2, int(err.retry_after % 1 * 1e9)))
        details.append(_any("google.rpc.RetryInfo", _message((1, wait))))
    words = _text(err.message)
    status = _message((1, err.status.value[0]), (2, words), *[(3, d) for d in details])
    context.set_trailing_metadata((("grpc-status-details-bin", status),))
    context.abort(err.status, words)


def _any(kind, value):
    return _message((1, "type.googleapis.com/" + kind), (2, value))


def _message(*fields):
    """A protobuf message of numbers, booleans, texts and messages."""
    out = b""
    for number, value in fields:
        if isinstance(value, (int, bool)):
            out += _varint(number << 3) + _varint(int(value))
        else:
            value = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
            out += _varint(number << 3 | 2) + _varint(len(value)) + value
    return out


def _varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)
