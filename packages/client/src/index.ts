export type { Transport } from "@scbe/bus";
export { type ErrorCode, isScbeError, ScbeError } from "@scbe/contracts";
export type { RequestHeader, ResponseHeader } from "@scbe/envelope";
export type { Clock, Logger, MetricsRegistry, Readiness } from "@scbe/runtime";
export type { Client, ClientRole } from "./client.ts";
export { type ClientConfig, type ClientSettings, clientConfig } from "./config.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export type { Expectations } from "./request/expectations.ts";
export type {
  Answer,
  Candidate,
  CandidatesOptions,
  PassedOver,
  RequestOptions,
} from "./request/options.ts";
export type {
  CallHeader,
  Gateway,
  Handler,
  HandlerAnswer,
  OpenedCall,
  ServeOptions,
} from "./serve/options.ts";
