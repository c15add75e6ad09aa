"use strict";
// Answers {document, contexts} with what the SDK says, for every context of every feature.
const readline = require("node:readline");
const { GrowthBook, StickyBucketService } = require("@growthbook/growthbook");

// What is assigned is in the context, and stays as it is: one evaluation doesn't change the next.
function unchanged(documents) {
  return documents && new Proxy(documents, { set: () => true });
}

class Forgetful extends StickyBucketService {
  async getAssignments() {
    return null;
  }
  async saveAssignments() {}
}

function answers({ document, contexts }) {
  return contexts.map((given) => {
    const exposed = new Set();
    const sdk = new GrowthBook({
      ...document,
      attributes: given.attributes,
      url: given.url ?? "",
      forcedVariations: given.forcedVariations ?? {},
      qaMode: given.qaMode ?? false,
      enabled: given.enabled ?? true,
      stickyBucketAssignmentDocs: unchanged(given.stickyBucketAssignmentDocs),
      stickyBucketService: given.stickyBucketAssignmentDocs ? new Forgetful() : undefined,
    });
    const found = {};
    for (const key of Object.keys(document.features ?? {})) {
      try {
        const result = sdk.evalFeature(key);
        const inside = result.experimentResult;
        found[key] = {
          value: result.value ?? null,
          on: result.on,
          source: result.source,
          ruleId: result.ruleId ?? "",
          variation: inside?.inExperiment ? inside.key : null,
          hashUsed: inside?.inExperiment ? inside.hashUsed : null,
        };
      } catch (error) {
        found[key] = { raised: String(error) };
      }
    }
    sdk.destroy();
    return found;
  });
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answers(JSON.parse(line))) + "\n");
});
