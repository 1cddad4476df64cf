// Starts the library as its own router does, with one provider: what is behind it, asked in chat completions.
// Its module build does not load in Node.js, so this is no module.
const { default: Server } = require("@musistudio/llms");

const provider = {
  name: "behind",
  api_base_url: process.env.UPSTREAM,
  api_key: process.env.UPSTREAM_KEY,
  models: [process.env.UPSTREAM_MODEL],
  // Without it, what is thought goes no further.
  transformer: { use: ["reasoning"] },
};
const initialConfig = { HOST: "127.0.0.1", PORT: process.env.TARGET_PORT, providers: [provider] };
new Server({ useJsonFile: false, useEnvFile: false, initialConfig, logger: false }).start();
