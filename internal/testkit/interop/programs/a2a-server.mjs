// An agent behind the A2A server of @a2a-js/sdk. The first word of a message says what it does. It prints its address when it listens.
// node a2a-server.mjs [--poll] [--token TOKEN] [--rest]
import express from "express";
import { AgentCard, TaskState } from "@a2a-js/sdk";
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from "@a2a-js/sdk/server";
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from "@a2a-js/sdk/server/express";

const flag = (name) => process.argv.includes(name);
const token = flag("--token") ? process.argv[process.argv.indexOf("--token") + 1] : "";
const text = (value) => ({ content: { $case: "text", value }, metadata: undefined, filename: "", mediaType: "" });
const data = (value) => ({ content: { $case: "data", value }, metadata: undefined, filename: "", mediaType: "application/json" });
const file = (name, value) => ({ content: { $case: "raw", value: Buffer.from(value) }, metadata: undefined, filename: name, mediaType: "text/csv" });
const hanging = new Map();

const executor = {
  async execute(context, bus) {
    const { taskId, contextId, userMessage } = context;
    const parts = userMessage.parts.map((p) => p.content);
    const words = parts.filter((c) => c.$case === "text").map((c) => c.value);
    const inputs = parts.find((c) => c.$case === "data")?.value ?? {};
    const message = (said) => ({ messageId: crypto.randomUUID(), contextId, taskId, role: 2, parts: [text(said)], metadata: undefined, extensions: [], referenceTaskIds: [] });
    const status = (state, said) => ({ state, message: said ? message(said) : undefined, timestamp: new Date().toISOString() });
    const enter = (state, said) => bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state, said), metadata: undefined }));
    const make = (artifactId, parts, append = false, lastChunk = true) =>
      bus.publish(AgentEvent.artifactUpdate({
        taskId, contextId, append, lastChunk, metadata: undefined,
        artifact: { artifactId, name: artifactId, description: "", parts, metadata: undefined, extensions: [] },
      }));
    const begin = () =>
      bus.publish(AgentEvent.task({ id: taskId, contextId, status: status(TaskState.TASK_STATE_WORKING), artifacts: [], history: [userMessage], metadata: undefined }));

    const what = context.task ? "answered" : words[0].split(" ")[0];
    if (what === "echo") {
      const reply = message(`you said: ${words.join(" | ")} ${JSON.stringify(userMessage.metadata ?? {})} ${userMessage.messageId}`);
      bus.publish(AgentEvent.message({ ...reply, taskId: "" }));
      bus.finished();
      return;
    }
    begin();
    switch (what) {
      case "add":
        make("sum", [data({ sum: inputs.a + inputs.b }), text("added")]);
        enter(TaskState.TASK_STATE_COMPLETED);
        break;
      case "steps":
        enter(TaskState.TASK_STATE_WORKING, "step one");
        enter(TaskState.TASK_STATE_WORKING, "step two");
        make("story", [text("once ")], false, false);
        make("story", [text("upon a time")], true, true);
        enter(TaskState.TASK_STATE_COMPLETED);
        break;
      case "file":
        make("table", [file("table.csv", "a,b\n1,2\n")]);
        enter(TaskState.TASK_STATE_COMPLETED, "here is the table");
        break;
      case "ask":
        enter(TaskState.TASK_STATE_INPUT_REQUIRED, "which city?");
        break;
      case "answered":
        make("city", [text(`the city is ${words[0]}`)]);
        enter(TaskState.TASK_STATE_COMPLETED);
        break;
      case "fail":
        enter(TaskState.TASK_STATE_FAILED, "the engine broke");
        break;
      case "reject":
        enter(TaskState.TASK_STATE_REJECTED, "I do not do that");
        break;
      case "login":
        enter(TaskState.TASK_STATE_AUTH_REQUIRED, "log in first");
        break;
      case "hang":
        setTimeout(() => console.log("hanging"), 300); // the client knows of the task by then
        await new Promise((resolve) => hanging.set(taskId, () => {
          enter(TaskState.TASK_STATE_CANCELED, "as you wish");
          console.log("cancelled");
          resolve();
        }));
        break;
      default:
        enter(TaskState.TASK_STATE_REJECTED, `I do not know ${what}`);
    }
    bus.finished();
  },
  async cancelTask(taskId) {
    hanging.get(taskId)?.();
  },
};

const app = express();
app.use((req, res, next) => {
  if (token && req.headers.authorization !== token) {
    res.status(401).send("who are you?");
    return;
  }
  next();
});
const server = app.listen(0, "127.0.0.1", () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const card = AgentCard.fromJSON({
    name: "Tryout", description: "Does what one says.", version: "2.1.0",
    supportedInterfaces: [flag("--rest")
      ? { url: `${base}/rest`, protocolBinding: "HTTP+JSON", protocolVersion: "1.0" }
      : { url: `${base}/rpc`, protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
    capabilities: { streaming: !flag("--poll"), pushNotifications: false },
    defaultInputModes: ["text/plain"], defaultOutputModes: ["text/plain"],
    skills: [
      { id: "echo", name: "Echo", description: "Says it again.", tags: [] },
      { id: "add", name: "Add", description: "Adds a and b.", tags: [] },
    ],
  });
  const handler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  app.use("/.well-known/agent-card.json", agentCardHandler({ agentCardProvider: handler }));
  app.use("/rpc", jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  app.use("/rest", restHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  console.log(base);
});
