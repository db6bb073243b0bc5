/** Nothing large gets into a history: whoever opens the run has to load it, and every replay does. */
import { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { LARGEST_PAYLOAD_BYTES, sizeOf } from '../contract/fit.js';
import { invalid } from './failures.js';

/**
 * Refuses a result above 16 KB. Each capability fits its own; this is what shows the one that does not. What a person
 * may still need to get back is not refused: the inputs, which are made of results and of a plan that is not too large.
 */
export class SizeInterceptor implements ActivityInboundCallsInterceptor {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const result = await next(input);
    const bytes = sizeOf(result);
    if (bytes <= LARGEST_PAYLOAD_BYTES) return result;
    throw invalid(
      `${Context.current().info.activityType} has found ${bytes} bytes, and at most ${LARGEST_PAYLOAD_BYTES} are kept in a history. Divide the step.`,
    );
  }
}
