import { type Clock, systemClock } from "@scbe/service-kit";
import { alertCauses, type CauseTimes } from "./alert-causes.ts";
import { knownKeys } from "./known-keys.ts";
import { rawCaller } from "./raw-caller.ts";
import { startSpine } from "./spine.ts";
import { scrapeJobsOf, startWatch, type Watch, type WatchOptions } from "./start-watch.ts";
import { starvableGateway } from "./starved-gateway.ts";
import { type WatchedClient, watchedGateway, watchedOrchestrator } from "./watched-client.ts";

/** All of SCBE with a provider for each cause of an alert and one, `quiet`, that nobody asks; and who watches over it. */
export interface AlertStage extends AsyncDisposable {
  readonly watch: Watch;
  /** The gateway of the provider of that name. */
  readonly vanishing: WatchedClient;
  /** Has everything begin; it goes on until the stage is disposed of. */
  begin(): void;
}

export type AlertStageOptions = CauseTimes & Omit<WatchOptions, "targets">;

const OFF_MS = 3000;
const AHEAD: Clock = { now: () => Date.now() + OFF_MS, monotonic: systemClock.monotonic };

export async function startAlertStage(options: AlertStageOptions): Promise<AlertStage> {
  await using stack = new AsyncDisposableStack();
  const use = async <T extends AsyncDisposable>(one: Promise<T>): Promise<T> => stack.use(await one);
  const causes = alertCauses(options);
  const { starved: _starved, choking: _choking, vanishing: _vanishing, ...others } = causes;
  const spine = await use(startSpine({ providers: [...Object.keys(causes), "quiet"] }));
  const [starved, choking, vanishing, ...gateways] = await Promise.all([
    use(starvableGateway(spine, "starved")),
    use(starvableGateway(spine, "choking")),
    use(watchedGateway(spine, "vanishing")),
    ...[...Object.keys(others), "quiet"].map((provider) => use(watchedGateway(spine, provider))),
  ]);
  const [orchestrator, ahead, idle] = await Promise.all([
    use(watchedOrchestrator(spine)),
    use(watchedOrchestrator(spine, { clock: AHEAD })),
    use(watchedOrchestrator(spine, { clock: AHEAD })),
  ]);
  const caller = await use(rawCaller(spine));
  const keys = await knownKeys(spine);
  const targets = scrapeJobsOf(spine, {
    gateways: [starved, choking, vanishing, ...gateways],
    orchestrators: [orchestrator, ahead, idle],
  });
  const watch = await use(startWatch({ ...options, targets }));
  const cast = { caller, keys, orchestrator: orchestrator.client, ahead: ahead.client, idle: idle.client };
  const held = stack.move();
  return {
    watch,
    vanishing,
    begin: () => {
      for (const cause of Object.values(causes)) held.use(cause({ ...cast, starved, choking }));
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
