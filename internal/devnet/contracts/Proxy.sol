// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// Stands at the address that callers know and runs the code of another contract, which its owner can replace, as the
/// network's operators can. It can be told to refuse a function with any bytes, or none, as no code of ours would.
contract Proxy {
    /// Apart from whatever the code that it runs keeps.
    bytes32 private constant PLACE = keccak256("zgproxy.devnet.proxy");

    struct State {
        address implementation;
        bool refuses; // any function
        address owner;
        mapping(bytes4 => bool) refused;
        mapping(bytes4 => bytes) reasons;
    }

    constructor(address implementation, bytes memory initialization) {
        State storage s = state();
        s.owner = msg.sender;
        s.implementation = implementation;
        (bool ok,) = implementation.delegatecall(initialization);
        require(ok, "Proxy: not initialized");
    }

    function state() private pure returns (State storage s) {
        bytes32 place = PLACE;
        assembly {
            s.slot := place
        }
    }

    function devnetUpgrade(address implementation) external {
        require(msg.sender == state().owner, "Ownable: caller is not the owner");
        state().implementation = implementation;
    }

    function devnetRefuse(bytes4 selector, bool refused, bytes calldata reason) external {
        State storage s = state();
        require(msg.sender == s.owner, "Ownable: caller is not the owner");
        s.refuses = true;
        s.refused[selector] = refused;
        s.reasons[selector] = reason;
    }

    receive() external payable {
        run();
    }

    fallback() external payable {
        run();
    }

    function run() private {
        State storage s = state();
        if (s.refuses && s.refused[msg.sig]) {
            bytes memory reason = s.reasons[msg.sig];
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        address to = s.implementation;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), to, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch ok
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
