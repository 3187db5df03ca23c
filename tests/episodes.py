"""Episodes of an environment, played to their end."""

from typing import Any

from tapewire.bridge.gym import TradingEnv


def play(env: TradingEnv, actions: Any, **reset: Any) -> tuple[list[Any], list[float], dict]:
    """Observations, rewards and the last info of an episode; actions come round again."""
    observation, info = env.reset(**reset)
    seen, rewards, k = [observation], [], 0
    over = False
    while not over:
        action = actions(observation) if callable(actions) else actions[k % len(actions)]
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        rewards.append(reward)
        over, k = terminated or truncated, k + 1
    return seen, rewards, info
