/** Of the client: what its process shows as its own. */
export const VERSION = "0.1.0";
