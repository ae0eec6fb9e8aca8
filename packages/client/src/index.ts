export { type ErrorCode, isScbeError, ScbeError } from "@scbe/contracts";
export type { RequestHeader, ResponseHeader } from "@scbe/envelope";
export {
  type Clock,
  type Logger,
  type Readiness,
  type Registry,
  startTracing,
  type TracingOptions,
  type Transport,
} from "@scbe/service-kit";
export { type ClientConfig, type ClientSettings, clientConfig } from "./config.ts";
export { type Client, type ClientRole, type ConnectOptions, connect } from "./connect.ts";
export type { Expectations } from "./expectations.ts";
export type {
  CallHeader,
  Gateway,
  Handler,
  HandlerAnswer,
  OpenedCall,
  ServeOptions,
} from "./gateway-options.ts";
export type { Answer, Candidate, CandidatesOptions, PassedOver, RequestOptions } from "./request-options.ts";
