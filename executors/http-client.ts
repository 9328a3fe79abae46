/** Placeholder for the first commit: see the class below. */
export interface HttpClient {
  readonly kind: 'http-client';
}
