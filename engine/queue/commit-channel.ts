import type { CommitChannel } from '../shell/commit-signal.ts';
import type { RedisClient } from './redis.ts';

/**
 * @param sender a connection that publishes.
 * @param listener a connection that subscribes to channels, this one among others; it does so again whenever it was lost.
 */
export function redisCommitChannel(
  sender: RedisClient,
  listener: RedisClient,
  prefix: string,
  nodeId: string,
): CommitChannel {
  const channel = `${prefix}:commits`;
  return {
    publish: async () => {
      await sender.publish(channel, nodeId);
    },
    listen: (tell) => {
      listener.on('message', (from: string, text: string) => {
        if (from === channel && text !== nodeId) tell();
      });
      // What was committed while nobody listened.
      listener.on('ready', tell);
      // Commands wait until there is a connection; one that is closed meanwhile has nothing to tell.
      listener.subscribe(channel).catch(() => {});
    },
    // The connections belong to whoever made them.
    close: () => Promise.resolve(),
  };
}
