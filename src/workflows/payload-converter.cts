/**
 * The default converter, except that a payload which cannot be read is read as a sentence about it. The
 * default throws, which fails the workflow task for ever: one malformed signal would hang a rollout, its
 * abort included.
 *
 * CommonJS, because the SDK loads a converter with `require`, which on Node 20 takes no ES module.
 */
import common = require('@temporalio/common');

const payloadConverter: common.PayloadConverter = {
  toPayload: (value) => common.defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: common.Payload): T {
    try {
      return common.defaultPayloadConverter.fromPayload<T>(payload);
    } catch (error) {
      // Whoever expects an object checks for one (answers.ts), and says what it got instead.
      return `unreadable payload: ${error instanceof Error ? error.message : String(error)}` as T;
    }
  },
};

export = { payloadConverter };
