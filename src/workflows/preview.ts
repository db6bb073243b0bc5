/** The live part of `headgate plan`: every step's look, nothing else. */
import { CancellationScope } from '@temporalio/workflow';
import type { BudgetResult, DeployFound } from '../contract/activities.js';
import type { Preview, PreviewInput, PreviewStep } from '../contract/inputs.js';
import { quick } from './activity-options.js';
import { Run } from './run.js';
import { databaseUrlOf, plannedLimit } from './stage-facts.js';
import { lookAt } from './steps/index.js';
import { describeError } from './stop.js';

export async function preview({ plan }: PreviewInput): Promise<Preview> {
  const input = { plan, startedBy: 'preview', searchAttributes: false };
  const run = new Run(input, CancellationScope.current(), lookAt);
  const result: Preview = { steps: [], budgets: [] };
  for (const stage of plan.stages) {
    for (const step of stage.steps) {
      const seen: PreviewStep = { name: step.name, kind: step.kind };
      result.steps.push(seen);
      try {
        seen.look = (await lookAt(run, step)).look;
      } catch (error) {
        seen.error = describeError(error);
        continue;
      }
      if (step.kind !== 'deploy') continue;
      const { live } = seen.look.found as DeployFound;
      run.releases.set(stage.name, live);
      if (!stage.connectionBudget) continue;
      const budget = await quick('connection budget').measureBudget({
        context: run.context,
        stage: stage.name,
        budget: stage.connectionBudget,
        deploy: step,
        newLimit: plannedLimit(stage.steps, stage.connectionBudget.poolLimitKey),
        release: live,
        databaseUrl: databaseUrlOf(stage.steps),
      });
      const isRaisedBefore = stage.steps
        .slice(0, stage.steps.indexOf(step))
        .some(({ kind }) => kind === 'infra' || kind === 'reboot');
      result.budgets.push({ stage: stage.name, result: isRaisedBefore ? postpone(budget) : budget });
    }
  }
  return result;
}

/** Steps before the deploy may change what is in force: it is measured again when they have. */
function postpone({ fault, warnings, ...budget }: BudgetResult): BudgetResult {
  if (fault === undefined) return { ...budget, warnings };
  return {
    ...budget,
    warnings: [`not as it is now; measured again before the deploy: ${fault}`, ...warnings],
  };
}
