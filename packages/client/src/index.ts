export { type ClientConfig, type ClientSettings, clientConfig } from "./config.ts";
export { type Client, type ClientRole, type ConnectOptions, connect } from "./connect.ts";
export type { Gateway, Handler, HandlerAnswer, OpenedCall, ServeOptions } from "./gateway-options.ts";
export type { Answer, RequestOptions } from "./request-options.ts";
