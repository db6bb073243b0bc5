/** An activity as Temporal runs it: again and again, unless its failure is final. */
import { ApplicationFailure } from '@temporalio/common';

const MOST_ATTEMPTS = 4;

export interface Attempted<T> {
  result: T;
  /** What the attempts before have said, in order. */
  failures: string[];
}

/** @throws a final failure, and the last one of too many */
export async function attempt<T>(activity: () => Promise<T>, most = MOST_ATTEMPTS): Promise<Attempted<T>> {
  const failures: string[] = [];
  for (;;) {
    try {
      return { result: await activity(), failures };
    } catch (error) {
      if (error instanceof ApplicationFailure && error.nonRetryable) throw error;
      failures.push(String(error));
      if (failures.length === most) throw error;
    }
  }
}
