// What the programs here ask, and the packages that are in the folder MODULES.

const { createRequire } = require("node:module");

const [modules, url, model, caller] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const { z } = load("zod");

module.exports = {
  load,
  url,
  model,
  caller, // a model that calls the first tool
  ask: "What is the weather in Oslo for 3 days?",
  Report: z.object({
    city: z.enum(["Paris", "Oslo"]),
    sky: z.enum(["rain", "sun"]),
    days: z.number().int().min(1).max(9),
  }),
  Place: z.object({ city: z.enum(["Paris", "Oslo"]), days: z.number().int().min(1).max(9) }),
};
