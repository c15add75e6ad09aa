// Answers each line, {document, contexts}, with what @openfeature/flagd-core says: for every context, by flag.
const { FlagdCore } = require('@openfeature/flagd-core');
const quiet = { error() {}, warn() {}, info() {}, debug() {} };
const lines = require('readline').createInterface({ input: process.stdin });
const answers = ({ document, contexts }) => {
  const core = new FlagdCore(undefined, quiet, { disableDynamicCodeGeneration: true });
  core.setConfigurations(JSON.stringify(document));
  return contexts.map((context) => Object.fromEntries(Object.keys(document.flags).map((key) => {
    const { reason, variant = null, value, errorCode = null, flagMetadata } =
      core.resolveStringEvaluation(key, 'caller', context);
    return [key, { reason, variant, value, errorCode, metadata: flagMetadata }];
  })));
};
lines.on('line', (line) => {
  let answer;
  try {
    answer = answers(JSON.parse(line));
  } catch (error) {
    answer = { refused: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
