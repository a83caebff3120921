// A server of @modelcontextprotocol/sdk whose tools try what a sandbox may not allow.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "prober", version: "1.0.0" });
const text = (said) => ({ content: [{ type: "text", text: said }] });
server.registerTool("read", { description: "Reads a file.", inputSchema: { path: z.string() } }, ({ path }) => text(readFileSync(path, "utf8")));
server.registerTool("variable", { description: "Gives a variable of the environment.", inputSchema: { name: z.string() } }, ({ name }) =>
  text(process.env[name] ?? "not there"));
server.registerTool("connect", { description: "Connects to a port of this machine.", inputSchema: { port: z.number() } }, ({ port }) =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => { socket.destroy(); resolve(text("connected")); });
    socket.on("error", reject);
  }));
await server.connect(new StdioServerTransport());
