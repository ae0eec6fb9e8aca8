export type { Transport } from "@scbe/bus";
export { type ErrorCode, isScbeError, ScbeError } from "@scbe/contracts";
export type { RequestHeader, ResponseHeader } from "@scbe/envelope";
export type { Clock, Logger, MetricsRegistry, Readiness } from "@scbe/runtime";
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
