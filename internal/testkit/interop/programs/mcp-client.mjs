// A client of @modelcontextprotocol/sdk for a server that is given as JSON: {command, args, cwd, env} or {url, token}. It does the steps of its second argument,
// one after the other, and prints what came of each as a line of JSON. Steps: {list}, {call, arguments, cancel, forget}, {questions: [answers]}.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const where = JSON.parse(process.argv[2]);
const steps = JSON.parse(process.argv[3]);
const answers = steps.flatMap((s) => s.questions ?? []);
const asked = [];

const client = new Client({ name: "tryout", version: "1.0.0" }, { capabilities: answers.length > 0 ? { elicitation: {} } : {} });
if (answers.length > 0) {
  client.setRequestHandler(ElicitRequestSchema, async (request) => {
    asked.push(request.params);
    return { action: "accept", content: answers.shift() };
  });
}
const transport = where.url
  ? new StreamableHTTPClientTransport(new URL(where.url), { requestInit: { headers: where.token ? { Authorization: `Bearer ${where.token}` } : {} } })
  : new StdioClientTransport({ command: where.command, args: where.args, cwd: where.cwd, env: where.env, stderr: "inherit" });

const print = (value) => console.log(JSON.stringify(value));
const fault = (error) => ({ error: error.message, code: error.code });
try {
  await client.connect(transport);
} catch (error) {
  print(fault(error));
  process.exit(1);
}
for (const step of steps) {
  if (step.list) {
    print(await client.listTools());
  } else if (step.call) {
    const progress = [];
    const stop = new AbortController();
    try {
      const result = await client.callTool({ name: step.call, arguments: step.arguments }, undefined, {
        signal: stop.signal,
        onprogress: (p) => {
          progress.push(p.message);
          if (step.cancel && p.message.includes(step.cancel)) stop.abort();
          if (step.forget && p.message.includes(step.forget)) process.exit(0);
        },
      });
      print({ result, progress, asked });
    } catch (error) {
      print({ ...fault(error), progress });
    }
  }
}
await client.close();
